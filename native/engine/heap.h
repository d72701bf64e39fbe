/*
 * Heap: two-level segregated fit.  Every operation takes constant time (plus
 * the copy in a moving realloc), neighbours are joined as soon as both are
 * free, and waste is bounded: what a machine that runs for months needs.
 *
 * One heap per program, fed with memory ranges by heap_add().  Blocks are
 * aligned to HEAP_ALIGN.  Exhaustion returns NULL; a corrupt block panics.
 */
#ifndef MIRAGE_HEAP_H
#define MIRAGE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#define HEAP_ALIGN 16

void heap_add(void *start, size_t len);
void *heap_alloc(size_t len);
void *heap_alloc_aligned(size_t len, size_t align); /* align: power of two */
void *heap_realloc(void *memory, size_t len); /* NULL: memory is untouched */
void heap_free(void *memory);                 /* NULL allowed */
size_t heap_usable(const void *memory);

struct heap_usage {
    size_t total, used; /* bytes, block headers counted as used */
    size_t failures;    /* requests for which there was no block */
};
struct heap_usage heap_usage(void);

/* Walks every block; false when a rule of heap.c is broken.  For tests. */
bool heap_check(void);

#endif
