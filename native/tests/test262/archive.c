#include "archive.h"

#include <string.h>

#include "payload.h"

struct archive archive;

void archive_open(const struct plat_start *start)
{
    const struct payload_header *header = (const void *)start->payload;
    const struct payload_section *section = (const void *)(header + 1);
    uint32_t left = header->section_count;

    if (memcmp(header->magic, PAYLOAD_MAGIC, sizeof header->magic) ||
        header->len > start->payload_len)
        plat_panic("the image has no payload");
    for (; left > 0 && section->kind != PAYLOAD_ASSET; left--)
        section++;
    if (left == 0)
        plat_panic("the image has no archive of tests");
    archive.start = start->payload + section->off;
    const uint32_t *counts = (const void *)archive.start;
    archive.file_count = counts[0];
    archive.run_count = counts[1];
    archive.files = (const void *)(counts + 2);
    archive.runs = (const void *)(archive.files + archive.file_count);
}

const struct file *archive_find(const char *name)
{
    uint32_t from = 0, to = archive.file_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const struct file *file = &archive.files[middle];
        int order = strcmp(name, archive_text(file->name_off));
        if (order == 0)
            return file;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}
