#include "crc.h"

#include <string.h>

/*
 * Eight octets at a step: tables[kind][k][n] is what octet n does to the
 * remainder when k octets follow it.  Made when first needed, as most programs
 * need none: 16 KiB that are not in the image.
 */
static uint32_t tables[2][8][256];

static void make_tables(enum crc kind)
{
    static const uint32_t reversed_polynomials[] = {0xedb88320, 0x82f63b78};
    uint32_t (*t)[256] = tables[kind];

    for (uint32_t n = 0; n < 256; n++) {
        uint32_t remainder = n;
        for (int bit = 0; bit < 8; bit++)
            remainder = remainder >> 1 ^
                        (remainder & 1 ? reversed_polynomials[kind] : 0);
        t[0][n] = remainder;
    }
    for (int k = 1; k < 8; k++)
        for (int n = 0; n < 256; n++)
            t[k][n] = t[k - 1][n] >> 8 ^ t[0][t[k - 1][n] & 255];
}

uint32_t crc(enum crc kind, const uint8_t *bytes, size_t len, uint32_t initial)
{
    const uint32_t (*t)[256] = (const uint32_t(*)[256])tables[kind];
    uint32_t remainder = ~initial;

    if (t[0][1] == 0)
        make_tables(kind);
    for (; len >= 8; len -= 8, bytes += 8) {
        uint32_t words[2]; /* little endian, as the processor */
        memcpy(words, bytes, sizeof words);
        words[0] ^= remainder;
        remainder = 0;
        for (int i = 0; i < 4; i++)
            remainder ^= t[7 - i][words[0] >> 8 * i & 255] ^
                         t[3 - i][words[1] >> 8 * i & 255];
    }
    for (; len > 0; len--)
        remainder = remainder >> 8 ^ t[0][(remainder ^ *bytes++) & 255];
    return ~remainder;
}
