#include "siphash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static void rounds(struct state *s, int count)
{
    while (count-- > 0) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

uint64_t siphash24(const uint8_t key[16], const uint8_t *bytes, size_t len)
{
    uint64_t k[2], word, last = (uint64_t)len << 56;

    memcpy(k, key, sizeof k);
    /* "somepseudorandomlygeneratedbytes", the constant of the paper. */
    struct state s = {
        k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
        k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573};
    for (; len >= 8; len -= 8, bytes += 8) {
        memcpy(&word, bytes, sizeof word);
        absorb(&s, word);
    }
    for (; len > 0; len--)
        last |= (uint64_t)bytes[len - 1] << 8 * (len - 1);
    absorb(&s, last);
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
