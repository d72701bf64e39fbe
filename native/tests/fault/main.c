/* Does the one forbidden thing named on the command line. */
#include "test.h"

extern char __text_start[], __rodata_end[];

static volatile int sink;

#pragma GCC diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static int recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return recurse(depth + 1) + frame[0];
}

__attribute__((noinline)) static void overrun(volatile char *at, int len)
{
    for (int i = 0; i < len; i++)
        at[i] = 'x';
}

__attribute__((noinline)) static void smash(void)
{
    volatile char buffer[16];
    overrun(buffer, 64);
}

int app_main(const struct plat_start *start)
{
    uint8_t *heap = start->memory[0].start;
    volatile int zero = 0, one = 1;

    if (asked_for(start, "null-read"))
        sink = *(volatile int *)(uintptr_t)zero;
    if (asked_for(start, "write-text"))
        *(volatile char *)__text_start = 0;
    if (asked_for(start, "write-constants"))
        *(volatile char *)(uintptr_t)"constant" = 0;
    if (asked_for(start, "write-sealed"))
        *(volatile char *)__rodata_end = 0;
    if (asked_for(start, "write-payload"))
        *(volatile uint8_t *)start->payload = 0;
    if (asked_for(start, "write-tables"))
        *(volatile uint8_t *)(start->payload + start->payload_len) = 0;
    if (asked_for(start, "execute-heap")) {
        heap[0] = 0xc3; /* ret */
        ((void (*)(void))(uintptr_t)heap)();
    }
    if (asked_for(start, "stack-overflow"))
        sink = recurse(0);
    if (asked_for(start, "nothing-there"))
        sink = *(volatile int *)0x7000000000;
    if (asked_for(start, "divide"))
        sink = one / zero;
    if (asked_for(start, "stack-smash"))
        smash();
    if (asked_for(start, "panic"))
        plat_panic("on request");
    print("still alive\n");
    return 1;
}
