/*
 * Host program: random heap traffic against a model.  Every block keeps its
 * contents, blocks never overlap, all memory comes back.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "plat.h"

_Noreturn void plat_panic(const char *reason)
{
    fprintf(stderr, "panic: %s\n", reason);
    abort();
}

enum { SLOTS = 400, ROUNDS = 300000, RANGE_1 = 3 << 20, RANGE_2 = 1 << 20 };

static struct slot {
    uint8_t *memory;
    size_t len;
    uint8_t fill;
} slots[SLOTS];
static uint64_t state = 88172645463325252;

static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

/* Mostly small, sometimes up to 512 KiB. */
static size_t random_len(void)
{
    return next_random() % ((size_t)1 << (3 + next_random() % 17));
}

static void expect_filled(const struct slot *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert(s->memory[i] == s->fill);
}

static void refill(struct slot *s, uint8_t *memory, size_t len)
{
    assert((uintptr_t)memory % HEAP_ALIGN == 0 && heap_usable(memory) >= len);
    s->memory = memory;
    s->len = len;
    s->fill = (uint8_t)next_random();
    memset(memory, s->fill, len);
}

int main(void)
{
    unsigned full = 0;

    heap_add((char *)malloc(RANGE_1) + 5, RANGE_1 - 5);
    heap_add(malloc(RANGE_2), RANGE_2);
    struct heap_usage empty = heap_usage();
    assert(heap_check());
    assert(!heap_alloc(SIZE_MAX) && !heap_alloc(1ull << 38));
    assert(!heap_alloc_aligned(16, 1ull << 38));

    for (int round = 0; round < ROUNDS; round++) {
        struct slot *s = &slots[next_random() % SLOTS];
        size_t len = random_len();
        uint8_t *memory;

        switch (s->memory ? next_random() % 3 : 3) {
        case 0: /* free */
            expect_filled(s, s->len);
            heap_free(s->memory);
            s->memory = NULL;
            break;
        case 1: /* realloc: the common part stays; failing changes nothing */
            memory = heap_realloc(s->memory, len);
            if (memory) {
                s->memory = memory;
                expect_filled(s, len < s->len ? len : s->len);
                refill(s, memory, len);
            } else {
                full++;
                expect_filled(s, s->len);
            }
            break;
        case 2: /* just look */
            expect_filled(s, s->len);
            break;
        default:
            if (next_random() % 8) {
                memory = heap_alloc(len);
            } else {
                size_t align = (size_t)1 << next_random() % 14;
                memory = heap_alloc_aligned(len, align);
                assert((uintptr_t)memory % align == 0);
            }
            if (memory)
                refill(s, memory, len);
            else
                full++;
        }
        if (round % 1000 == 0)
            assert(heap_check());
    }
    for (int i = 0; i < SLOTS; i++)
        heap_free(slots[i].memory);
    assert(heap_check() && heap_usage().used == empty.used);

    /* All joined again: one block holds nearly the whole first range. */
    void *all = heap_alloc(RANGE_1 - 256);
    assert(all);
    assert(!heap_alloc(RANGE_1 - 256));
    heap_free(all);
    assert(full > 0); /* the test did reach exhaustion */
    printf("SUCCESS: %d rounds, %u times full\n", ROUNDS, full);
    return 0;
}
