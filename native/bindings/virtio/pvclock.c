#include "pvclock.h"

/* The host writes a few words: this often in vain means that it is broken. */
enum { ATTEMPTS = 10000, SHIFT_MAX = 31 };

/* x86 keeps the order of loads; this keeps the compiler to it. */
static void order(void)
{
    __asm__ volatile("" : : : "memory");
}

bool pvclock_read(const volatile struct pvclock_time *page,
                  struct pvclock_time *copy)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint32_t version = page->version;
        order();
        copy->version = version;
        copy->tsc = page->tsc;
        copy->system_ns = page->system_ns;
        copy->multiplier = page->multiplier;
        copy->shift = page->shift;
        copy->flags = page->flags;
        order();
        if (version % 2 == 0 && version == page->version)
            return copy->multiplier != 0 && copy->shift >= -SHIFT_MAX &&
                   copy->shift <= SHIFT_MAX;
    }
    return false;
}

bool pvclock_read_wall(const volatile struct pvclock_wall *page,
                       struct pvclock_wall *copy)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint32_t version = page->version;
        order();
        copy->version = version;
        copy->seconds = page->seconds;
        copy->nanoseconds = page->nanoseconds;
        order();
        if (version % 2 == 0 && version == page->version)
            return copy->seconds != 0 && copy->nanoseconds < 1000000000;
    }
    return false;
}

uint64_t pvclock_ns(const struct pvclock_time *time, uint64_t tsc)
{
    unsigned __int128 cycles = tsc > time->tsc ? tsc - time->tsc : 0;
    if (time->shift < 0)
        cycles >>= -time->shift;
    else
        cycles <<= time->shift;
    return time->system_ns + (uint64_t)(cycles * time->multiplier >> 32);
}

uint64_t pvclock_hz(const struct pvclock_time *time)
{
    /* As many bits of a fraction as there is room for. */
    uint64_t quarters = (1000000000ull << 34) / time->multiplier;
    return time->shift < 0 ? quarters << -time->shift >> 2
                           : quarters >> time->shift >> 2;
}
