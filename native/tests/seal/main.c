/* Target spt: makes the one forbidden system call named on the command line,
 * or the one whose number is there. */
#include <sys/syscall.h>

#include "test.h"

static long call(long number, long a, long b, long c)
{
    long result;
    register long r10 __asm__("r10") = 0x22; /* private, anonymous: for mmap */
    register long r8 __asm__("r8") = -1;
    register long r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static long number_after(const char *text, const char *word)
{
    long number = 0;
    while (*word && *text == *word)
        text++, word++;
    if (*word)
        return -1;
    while (*text >= '0' && *text <= '9')
        number = number * 10 + (*text++ - '0');
    return number;
}

int app_main(const struct plat_start *start)
{
    static char byte;
    uint8_t *heap = start->memory[0].start;
    long number = number_after(start->command_line, "call ");
    long number_32 = number_after(start->command_line, "call-32 ");

    if (number >= 0)
        call(number, 0, (long)heap, 1);
    if (number_32 >= 0)
        __asm__ volatile("int $0x80" : : "a"(number_32), "b"(0));
    if (asked_for(start, "open"))
        call(SYS_open, (long)"/etc/passwd", 0, 0);
    if (asked_for(start, "openat"))
        call(SYS_openat, -100, (long)"/etc/passwd", 0);
    if (asked_for(start, "socket"))
        call(SYS_socket, 2, 1, 0);
    if (asked_for(start, "fork"))
        call(SYS_fork, 0, 0, 0);
    if (asked_for(start, "execve"))
        call(SYS_execve, (long)"/bin/sh", 0, 0);
    if (asked_for(start, "mmap-executable"))
        call(SYS_mmap, 0, 4096, 7);
    if (asked_for(start, "mprotect-executable"))
        call(SYS_mprotect, (long)heap, 4096, 7);
    if (asked_for(start, "read-standard-input"))
        call(SYS_read, 0, (long)&byte, 1);
    if (asked_for(start, "write-standard-error"))
        call(SYS_write, 2, (long)"?", 1);
    if (asked_for(start, "pread-without-disk"))
        call(SYS_pread64, 1, (long)&byte, 1);
    if (asked_for(start, "number-of-32-bits"))
        __asm__ volatile("int $0x80" : : "a"(5 /* open */), "b"(0));
    if (asked_for(start, "other-clock"))
        call(SYS_clock_gettime, 2, (long)heap, 0);
    print("still alive\n");
    return 1;
}
