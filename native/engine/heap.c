#include "heap.h"

#include <stdint.h>
#include <string.h>

#include "plat.h"

/*
 * A range is a sequence of blocks, each a header and its memory, closed by an
 * empty block that is never free:
 *
 *   | header | memory ... | header | memory ... | header (end) |
 *
 * `size` counts the memory, a multiple of 16; bit 0 is set in a free block.
 * A free block also holds its links in a list of blocks of similar size.  Two
 * free blocks are never neighbours.
 */
struct block {
    struct block *before; /* the block in front, NULL for the first */
    size_t size;
    struct block *next_free, *previous_free; /* only while free */
};

enum {
    HEADER = 16,
    FREE = 1,
    SMALLEST = 16, /* room for the links */

    /* Lists: sizes below 256 have one list per multiple of 16; above, each
     * power of two is cut in 16. */
    STEPS_LOG2 = 4,
    STEPS = 1 << STEPS_LOG2,
    LINEAR_LOG2 = 8,
    ROWS = 40 - LINEAR_LOG2 + 1, /* blocks up to 1 TiB */
    RANGES = 8,
};
#define LARGEST ((size_t)1 << 39)

_Static_assert(offsetof(struct block, next_free) == HEADER, "layout");

static struct block *lists[ROWS][STEPS];
static uint64_t row_bits;        /* bit r: some list of row r has a block */
static uint32_t step_bits[ROWS]; /* bit s: lists[r][s] has a block */
static struct block *range_first[RANGES];
static unsigned range_count;
static struct heap_usage usage;

static size_t size_of(const struct block *b)
{
    return b->size & ~(size_t)FREE;
}

static bool is_free(const struct block *b)
{
    return b->size & FREE;
}

static void *memory_of(struct block *b)
{
    return (uint8_t *)b + HEADER;
}

static struct block *block_of(const void *memory)
{
    return (struct block *)((uint8_t *)memory - HEADER);
}

static struct block *after(struct block *b)
{
    return (struct block *)((uint8_t *)b + HEADER + size_of(b));
}

struct place {
    unsigned row, step;
};

/* The list a free block of this size belongs to. */
static struct place place_of(size_t size)
{
    if (size < 1 << LINEAR_LOG2)
        return (struct place){0, (unsigned)(size / HEAP_ALIGN)};
    unsigned log2 = 63 - (unsigned)__builtin_clzll(size);
    return (struct place){log2 - LINEAR_LOG2 + 1,
                          size >> (log2 - STEPS_LOG2) & (STEPS - 1)};
}

static void insert(struct block *b)
{
    struct place p = place_of(size_of(b));
    struct block *head = lists[p.row][p.step];

    b->size |= FREE;
    b->previous_free = NULL;
    b->next_free = head;
    if (head)
        head->previous_free = b;
    lists[p.row][p.step] = b;
    row_bits |= 1ull << p.row;
    step_bits[p.row] |= 1u << p.step;
}

static void take_out(struct block *b)
{
    struct place p = place_of(size_of(b));

    if (b->next_free)
        b->next_free->previous_free = b->previous_free;
    if (b->previous_free) {
        b->previous_free->next_free = b->next_free;
    } else {
        lists[p.row][p.step] = b->next_free;
        if (!b->next_free) {
            step_bits[p.row] &= ~(1u << p.step);
            if (!step_bits[p.row])
                row_bits &= ~(1ull << p.row);
        }
    }
    b->size &= ~(size_t)FREE;
}

/* A free block of at least `size`, taken out of its list, or NULL. */
static struct block *find(size_t size)
{
    /* The first block of its own list may already do; otherwise any block
     * of the next list up fits, without looking at its size. */
    struct place p = place_of(size);
    struct block *b = lists[p.row][p.step];
    if (!b || size_of(b) < size) {
        uint32_t steps = step_bits[p.row] & ~((2u << p.step) - 1);
        if (!steps) {
            uint64_t rows = row_bits & ~((2ull << p.row) - 1);
            if (!rows) {
                usage.failures++;
                return NULL;
            }
            p.row = (unsigned)__builtin_ctzll(rows);
            steps = step_bits[p.row];
        }
        b = lists[p.row][__builtin_ctz(steps)];
    }
    take_out(b);
    return b;
}

/* Joins a block that is in no list with its free neighbours. */
static struct block *join(struct block *b)
{
    struct block *next = after(b);
    if (is_free(next)) {
        take_out(next);
        b->size += HEADER + size_of(next);
    }
    if (b->before && is_free(b->before)) {
        struct block *before = b->before;
        take_out(before);
        before->size += HEADER + size_of(b);
        b = before;
    }
    after(b)->before = b;
    return b;
}

/* Cuts a block in use down to `size` and frees the rest, if worth a block. */
static void trim(struct block *b, size_t size)
{
    if (size_of(b) < size + HEADER + SMALLEST)
        return;
    size_t rest_size = size_of(b) - size - HEADER;
    b->size = size;
    struct block *rest = after(b);
    rest->before = b;
    rest->size = rest_size;
    insert(join(rest));
}

static bool round_up(size_t *len)
{
    if (*len > LARGEST)
        return false;
    *len = (*len + HEAP_ALIGN - 1) & ~(size_t)(HEAP_ALIGN - 1);
    if (*len < SMALLEST)
        *len = SMALLEST;
    return true;
}

static struct block *block_in_use(const void *memory)
{
    struct block *b = block_of(memory);
    if ((uintptr_t)memory % HEAP_ALIGN || is_free(b) || after(b)->before != b)
        plat_panic("heap: freed twice, or overrun by its owner");
    return b;
}

void heap_add(void *start, size_t len)
{
    uintptr_t from = ((uintptr_t)start + HEAP_ALIGN - 1) & ~(uintptr_t)15;
    uintptr_t to = ((uintptr_t)start + len) & ~(uintptr_t)15;

    if (range_count == RANGES || to < from + 2 * HEADER + SMALLEST)
        return;
    struct block *first = (struct block *)from;
    first->before = NULL;
    first->size = to - from - 2 * HEADER;
    struct block *end = after(first);
    end->before = first;
    end->size = 0;
    range_first[range_count++] = first;
    usage.total += to - from;
    usage.used += HEADER; /* the end */
    insert(first);
}

void *heap_alloc(size_t len)
{
    if (!round_up(&len))
        return NULL;
    struct block *b = find(len);
    if (!b)
        return NULL;
    trim(b, len);
    usage.used += HEADER + size_of(b);
    return memory_of(b);
}

void *heap_alloc_aligned(size_t len, size_t align)
{
    if (align <= HEAP_ALIGN)
        return heap_alloc(len);
    if (!round_up(&len) || align > LARGEST)
        return NULL;
    /* Enough to cut off a whole block in front of the aligned address. */
    struct block *front = find(len + align + HEADER + SMALLEST);
    if (!front)
        return NULL;
    uintptr_t memory = (uintptr_t)memory_of(front);
    uintptr_t aligned = (memory + align - 1) & ~(uintptr_t)(align - 1);
    struct block *b = front;
    if (aligned != memory) {
        if (aligned - memory < HEADER + SMALLEST)
            aligned += align;
        b = block_of((void *)aligned);
        b->before = front;
        b->size = size_of(front) - (aligned - memory);
        after(b)->before = b;
        front->size = aligned - memory - HEADER;
        insert(front);
    }
    trim(b, len);
    usage.used += HEADER + size_of(b);
    return memory_of(b);
}

void heap_free(void *memory)
{
    if (!memory)
        return;
    struct block *b = block_in_use(memory);
    usage.used -= HEADER + size_of(b);
    insert(join(b));
}

void *heap_realloc(void *memory, size_t len)
{
    if (!memory)
        return heap_alloc(len);
    struct block *b = block_in_use(memory);
    size_t old_size = size_of(b);
    struct block *next = after(b);

    if (!round_up(&len))
        return NULL;
    if (len > old_size && is_free(next) &&
        old_size + HEADER + size_of(next) >= len) {
        take_out(next);
        b->size += HEADER + size_of(next);
        after(b)->before = b;
    }
    if (len <= size_of(b)) {
        trim(b, len);
        usage.used += size_of(b) - old_size;
        return memory;
    }
    void *moved = heap_alloc(len);
    if (!moved)
        return NULL;
    memcpy(moved, memory, old_size);
    heap_free(memory);
    return moved;
}

size_t heap_usable(const void *memory)
{
    return memory ? size_of(block_of(memory)) : 0;
}

struct heap_usage heap_usage(void)
{
    return usage;
}

bool heap_check(void)
{
    size_t total = 0, used = 0, free_blocks = 0, listed = 0;

    for (unsigned i = 0; i < range_count; i++) {
        struct block *before = NULL, *b = range_first[i];
        for (;; before = b, b = after(b)) {
            if (b->before != before || size_of(b) % HEAP_ALIGN)
                return false;
            if (is_free(b) && before && is_free(before))
                return false;
            total += HEADER + size_of(b);
            used += is_free(b) ? 0 : HEADER + size_of(b);
            free_blocks += is_free(b);
            if (size_of(b) == 0)
                break;
        }
    }
    for (unsigned r = 0; r < ROWS; r++)
        for (unsigned s = 0; s < STEPS; s++) {
            if (!!lists[r][s] != (step_bits[r] >> s & 1))
                return false;
            for (struct block *b = lists[r][s]; b; b = b->next_free) {
                struct place p = place_of(size_of(b));
                if (!is_free(b) || p.row != r || p.step != s)
                    return false;
                if (b->next_free && b->next_free->previous_free != b)
                    return false;
                listed++;
            }
        }
    return listed == free_blocks && total == usage.total && used == usage.used;
}
