/*
 * The payload: what a tool appends to the runtime ELF to make an image.
 *
 * The runtime carries one spare program header: of those with type PT_LOAD and
 * flags exactly R (PF_R = 4), the one with the highest p_vaddr.  As built, it
 * covers an empty payload (header only, sectionCount 0).  The tool
 *
 *   1. pads the file with zeros to a multiple of 4096: call this `offset`;
 *   2. appends the payload described below, lenBytes long;
 *   3. patches that program header: p_offset = offset, p_filesz = p_memsz =
 *      lenBytes (p_vaddr, p_paddr, p_flags, p_align stay).
 *
 * Nothing else in the file changes; no linker is needed.  The loader puts the
 * payload at the first page after the runtime.  It is mapped read-only and is
 * never copied: assets are exposed to JavaScript in place.
 *
 * Layout, little endian, offsets in bytes from the start of the payload:
 *
 *    0  u8[8]  magic         "MIRAGEPL"
 *    8  u32    version       PAYLOAD_VERSION, this layout
 *   12  u32    abi           PAYLOAD_ABI, the 'mirage:native' surface the
 *                            program expects
 *   16  u32    sectionCount  at most PAYLOAD_MAX_SECTIONS
 *   20  u32    reserved      0
 *   24  u64    lenBytes      whole payload, this header included
 *   32  section table, sectionCount entries of 24 bytes:
 *          0  u32  kind      1 bytecode (exactly one), 2 asset
 *          4  u32  reserved  0
 *          8  u64  off       from the start of the payload, multiple of 16
 *         16  u64  len       off + len <= lenBytes
 *
 * An asset's index is its position among the sections of kind 2.
 *
 * The bytecode section is the output file of mirage-bytecode, verbatim:
 *
 *    0  u8[8]  magic         "MIRAGEBC"
 *    8  u32    engineId      checksum over the engine's sources: bytecode runs
 *                            only on the engine that wrote it
 *   12  u32    features      what the program needs: bits of enum feature
 *   16  ...    QuickJS bytecode of one module (own version and checksum)
 *
 * The runtime refuses, with a sentence and status 126, a payload in which any
 * of these rules is broken.
 */
#ifndef MIRAGE_PAYLOAD_H
#define MIRAGE_PAYLOAD_H

#include <stdint.h>

#define PAYLOAD_MAGIC "MIRAGEPL"
#define PAYLOAD_VERSION 1u
#define PAYLOAD_ABI 3u
#define PAYLOAD_MAX_SECTIONS 65536u
#define PAYLOAD_ALIGN 16u

#define PAYLOAD_BYTECODE 1u
#define PAYLOAD_ASSET 2u

#define BYTECODE_MAGIC "MIRAGEBC"

struct payload_header {
    char magic[8];
    uint32_t version;
    uint32_t abi;
    uint32_t section_count;
    uint32_t reserved;
    uint64_t len;
};

struct payload_section {
    uint32_t kind;
    uint32_t reserved;
    uint64_t off;
    uint64_t len;
};

struct bytecode_header {
    char magic[8];
    uint32_t engine_id;
    uint32_t features;
};

/*
 * Parts of the language's library that a runtime can be linked without, by the
 * names that tools know them by (native/Makefile, FEATURES).
 */
enum feature {
    FEATURE_DATE = 1,     /* date */
    FEATURE_JSON = 2,     /* json */
    FEATURE_MAPSET = 4,   /* mapset: Map, Set, WeakMap, WeakSet */
    FEATURE_PROXY = 8,    /* proxy */
    FEATURE_REGEXP = 16,  /* regexp: also literals, match, search... */
    FEATURE_WEAKREF = 32, /* weakref: WeakRef, FinalizationRegistry */
};

_Static_assert(sizeof(struct payload_header) == 32, "layout");
_Static_assert(sizeof(struct payload_section) == 24, "layout");
_Static_assert(sizeof(struct bytecode_header) == 16, "layout");

#endif
