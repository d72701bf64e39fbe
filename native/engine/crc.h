#ifndef MIRAGE_CRC_H
#define MIRAGE_CRC_H

#include <stddef.h>
#include <stdint.h>

enum crc {
    CRC_IEEE,       /* CRC-32 of Ethernet, gzip, GPT */
    CRC_CASTAGNOLI, /* CRC-32C (RFC 3720 appendix B.4) */
};

/* The CRC of len bytes after some whose CRC is `initial`; 0 for none. */
uint32_t crc(enum crc kind, const uint8_t *bytes, size_t len, uint32_t initial);

#endif
