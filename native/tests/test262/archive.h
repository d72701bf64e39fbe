/*
 * What tests/test262/archive.ts packs: the files that tests need, and a table of
 * runs.  Little endian; offsets in bytes from the start of the archive.
 *
 *    0  u32 fileCount, u32 runCount
 *    8  files, sorted by name: u32 nameOff, u32 off, u32 len; the name, and the
 *       text behind its len, end with a zero
 *       runs: u32 file, u32 flags, u32 includesOff, u32 errorOff
 *
 * includesOff leads to indexes of files, the last one NO_FILE; errorOff to the
 * name of the error that a negative test must end with.
 */
#ifndef MIRAGE_TEST262_ARCHIVE_H
#define MIRAGE_TEST262_ARCHIVE_H

#include <stdint.h>

#include "plat.h"

enum run_flag {
    RUN_STRICT = 1,
    RUN_MODULE = 2,
    RUN_ASYNC = 4,
    RUN_NEGATIVE_PARSE = 16,
    RUN_NEGATIVE_RESOLUTION = 32,
    RUN_NEGATIVE_RUNTIME = 64,
};

#define NO_FILE UINT32_MAX

struct file {
    uint32_t name_off, off, len;
};

struct run {
    uint32_t file, flags, includes_off, error_off;
};

struct archive {
    const uint8_t *start;
    const struct file *files;
    const struct run *runs;
    uint32_t file_count, run_count;
};

extern struct archive archive;

/* Finds the archive in the payload; panics when there is none. */
void archive_open(const struct plat_start *start);

/* NULL when there is none of this name. */
const struct file *archive_find(const char *name);

static inline const char *archive_text(uint32_t off)
{
    return (const char *)archive.start + off;
}

#endif
