#ifndef MIRAGE_SIPHASH_H
#define MIRAGE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of len bytes. */
uint64_t siphash24(const uint8_t key[16], const uint8_t *bytes, size_t len);

#endif
