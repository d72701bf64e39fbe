/*
 * The clock that KVM and Xen show a guest: a page that the host keeps up to
 * date, from which time stamp counter readings become time.  The same layout on
 * both (Linux, Documentation/virt/kvm/x86/msr.rst; Xen, public/xen.h).
 *
 * Nothing here touches the machine: the page and the counter are arguments.
 */
#ifndef MIRAGE_PVCLOCK_H
#define MIRAGE_PVCLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* `version` is odd while the host writes. */
struct pvclock_time {
    uint32_t version, reserved;
    uint64_t tsc, system_ns; /* this reading was this time */
    uint32_t multiplier;     /* 2^-32 ns per cycle, once these are shifted */
    int8_t shift;            /* left; negative: right */
    uint8_t flags, reserved2[2];
};

/* Civil time when system_ns was 0, since 1970. */
struct pvclock_wall {
    uint32_t version, seconds, nanoseconds;
};

/* A copy that the host did not write into meanwhile; false when it never stops
 * writing, or when what it says makes no sense. */
bool pvclock_read(const volatile struct pvclock_time *page,
                  struct pvclock_time *copy);
bool pvclock_read_wall(const volatile struct pvclock_wall *page,
                       struct pvclock_wall *copy);

/* Nanoseconds at a counter reading; that of the copy when it is earlier. */
uint64_t pvclock_ns(const struct pvclock_time *time, uint64_t tsc);

/* Cycles of the counter in a second. */
uint64_t pvclock_hz(const struct pvclock_time *time);

#endif
