/*
 * The part of Linux's interface that this binding uses.  musl's headers give
 * the numbers of the system calls, and nothing else is taken from a libc.
 */
#ifndef MIRAGE_LINUX_H
#define MIRAGE_LINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum {
    LINUX_EINTR = 4,
    LINUX_EIO = 5,
    LINUX_EAGAIN = 11,
    LINUX_EINVAL = 22,
    LINUX_ENOBUFS = 105,
};

enum { LINUX_POLLIN = 1, LINUX_POLLOUT = 4 };

enum { LINUX_CLOCK_REALTIME = 0, LINUX_CLOCK_MONOTONIC = 1 };

struct linux_timespec {
    int64_t seconds, nanoseconds;
};

struct linux_pollfd {
    int fd;
    int16_t events, revents;
};

struct linux_iovec {
    const void *start;
    size_t len;
};

/* A system call: a result, or a negative error number. */
static inline long linux_call(long number, long a, long b, long c, long d,
                              long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define linux_call3(number, a, b, c)                                           \
    linux_call(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)

#endif
