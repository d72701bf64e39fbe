#include "checksum.h"

#include <string.h>

/*
 * RFC 1071 §2 (B): the sum may be taken in any byte order, and swapped at the
 * end.  §2 (C): it may be taken over wider words, here 64-bit ones with the
 * carries counted back in; memcpy makes unaligned loads legal.
 */
static uint64_t add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word); /* end-around carry */
}

uint32_t checksum(const uint8_t *bytes, size_t len, uint64_t initial)
{
    uint64_t sum = 0, word;

    for (; len >= 32; len -= 32, bytes += 32) {
        uint64_t words[4];
        memcpy(words, bytes, sizeof words);
        for (int i = 0; i < 4; i++)
            sum = add(sum, words[i]);
    }
    for (; len >= 8; len -= 8, bytes += 8) {
        memcpy(&word, bytes, sizeof word);
        sum = add(sum, word);
    }
    for (word = 0; len > 0; len--) /* the rest, little endian */
        word = word << 8 | bytes[len - 1];
    sum = add(sum, word);

    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    sum = ((sum & 0xff) << 8 | sum >> 8) + initial;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}
