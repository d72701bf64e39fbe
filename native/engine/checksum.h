#ifndef MIRAGE_CHECKSUM_H
#define MIRAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * RFC 1071 one's-complement sum of len bytes, as 16-bit words in network
 * order, plus `initial`.  The last byte of an odd length counts as the high
 * half of a word.  Returns the folded 16-bit sum, not complemented.
 */
uint32_t checksum(const uint8_t *bytes, size_t len, uint64_t initial);

#endif
