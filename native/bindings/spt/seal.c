/*
 * Sealing: from here on the process can use the descriptors it was given and
 * nothing else of the system.  A filter in the kernel (seccomp) allows the
 * calls below, on those descriptors only; any other kills the process
 * (SIGSYS).  No memory can be mapped, unmapped or made executable any more.
 */
#include "process.h"

enum {
    PR_SET_NO_NEW_PRIVS = 38,
    SECCOMP_SET_MODE_FILTER = 1,
    PROT_READ = 1,

    /* Instructions of the kernel's packet filter machine. */
    LOAD = 0x20,     /* 32 bits of struct seccomp_data at k */
    JUMP_IF = 0x15,  /* equal to k: skip jt, else skip jf */
    JUMP_OVER = 0x25, /* greater than k: skip jt, else skip jf */
    RETURN = 0x06,
    ALLOW = 0x7fff0000,

    AT_NUMBER = 0, /* struct seccomp_data */
    AT_ARCHITECTURE = 4,
    AT_ARGUMENT = 16, /* + 8 * argument, low half first */

    INSTRUCTIONS_MAX = 512,
};
#define KILL 0x80000000u
#define ARCHITECTURE_X86_64 0xc000003eu

struct instruction {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};

static struct instruction program[INSTRUCTIONS_MAX];
static unsigned length;

static void emit(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (length == INSTRUCTIONS_MAX)
        plat_panic("the seccomp filter is too long");
    program[length++] = (struct instruction){code, jt, jf, k};
}

/* Allows `number` when its first argument is one of `count` descriptors. */
static void allow_on(long number, const int *descriptors, unsigned count)
{
    if (count == 0)
        return;
    /* Another number: past the load, the comparisons and both returns. */
    emit(JUMP_IF, 0, (uint8_t)(2 + 2 * count), (uint32_t)number);
    emit(LOAD, 0, 0, AT_ARGUMENT);
    for (unsigned i = 0; i < count; i++) {
        emit(JUMP_IF, 0, 1, (uint32_t)descriptors[i]);
        emit(RETURN, 0, 0, ALLOW);
    }
    emit(RETURN, 0, 0, KILL);
}

/* Allows `number` when argument `argument` is at most `max`. */
static void allow_up_to(long number, unsigned argument, uint32_t max)
{
    emit(JUMP_IF, 0, 4, (uint32_t)number);
    emit(LOAD, 0, 0, AT_ARGUMENT + 8 * argument);
    emit(JUMP_OVER, 1, 0, max);
    emit(RETURN, 0, 0, ALLOW);
    emit(RETURN, 0, 0, KILL);
}

/* Descriptors for one call. */
struct list {
    int fds[DEVICES_MAX + 1];
    unsigned count;
};

static void add(struct list *list, int fd)
{
    list->fds[list->count++] = fd;
}

static void write_program(void)
{
    struct list readable = {{entropy_fd}, 1}, writable = {{CONSOLE_FD}, 1};
    struct list streams = {0}, disks = {0}, writable_disks = {0};

    for (unsigned i = 0; i < device_count; i++) {
        const struct device *d = &devices[i];
        if (d->kind == DEVICE_BLOCK) {
            add(&disks, d->fd);
            if (d->is_writable)
                add(&writable_disks, d->fd);
            continue;
        }
        add(&readable, d->fd);
        add(d->kind == DEVICE_STREAM ? &streams : &writable, d->fd);
    }

    emit(LOAD, 0, 0, AT_ARCHITECTURE);
    emit(JUMP_IF, 1, 0, ARCHITECTURE_X86_64);
    emit(RETURN, 0, 0, KILL);
    emit(LOAD, 0, 0, AT_NUMBER);
    allow_on(SYS_read, readable.fds, readable.count);
    allow_on(SYS_write, writable.fds, writable.count);
    allow_on(SYS_writev, streams.fds, streams.count);
    allow_on(SYS_pread64, disks.fds, disks.count);
    allow_on(SYS_pwrite64, writable_disks.fds, writable_disks.count);
    /* A flush that does not reach the disk would be a lie. */
    allow_on(SYS_fdatasync, disks.fds, disks.count);
    allow_up_to(SYS_ppoll, 1, DEVICES_MAX);
    /* Where the kernel maps no clock into the process. */
    allow_up_to(SYS_clock_gettime, 0, LINUX_CLOCK_MONOTONIC);
    allow_up_to(SYS_exit_group, 0, PLAT_STATUS_MAX);
    emit(RETURN, 0, 0, KILL);
}

void seal(void)
{
    struct {
        uint16_t length;
        const struct instruction *program;
    } filter;

    write_program();
    filter.length = (uint16_t)length;
    filter.program = program;
    if (linux_call3(SYS_mprotect, __rodata_end, __sealed_end - __rodata_end,
                    PROT_READ) < 0 ||
        linux_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) < 0 ||
        linux_call3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        plat_panic("cannot seal the process: this kernel has no seccomp "
                   "filters");
}
