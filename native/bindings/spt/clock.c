/*
 * Time is Linux's, read without a system call where the kernel offers that:
 * by the function __vdso_clock_gettime of the small ELF file it maps into
 * every process.
 */
#include <elf.h>

#include "process.h"

static SEALED long (*vdso_gettime)(long, struct linux_timespec *);
static SEALED uint64_t start_us;

static bool is_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* Looks the function up as a dynamic linker would; NULL when it is not there. */
static void *find(const uint8_t *image, const char *name)
{
    const Elf64_Ehdr *file = (const void *)image;
    const Elf64_Phdr *segment = (const void *)(image + file->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    const Elf64_Sym *symbols = NULL;
    const char *names = NULL;
    const uint32_t *hash = NULL;
    uint64_t base = 0;

    for (unsigned i = 0; i < file->e_phnum; i++) {
        if (segment[i].p_type == PT_LOAD && !base)
            base = (uint64_t)image + segment[i].p_offset - segment[i].p_vaddr;
        if (segment[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(image + segment[i].p_offset);
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        const void *at = (const void *)(base + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = at;
        if (dynamic->d_tag == DT_STRTAB)
            names = at;
        if (dynamic->d_tag == DT_HASH)
            hash = at; /* its second word is the number of symbols */
    }
    for (uint32_t i = 0; symbols && names && hash && i < hash[1]; i++)
        if (symbols[i].st_shndx && is_equal(names + symbols[i].st_name, name))
            return (void *)(base + symbols[i].st_value);
    return NULL;
}

static uint64_t read_us(long clock)
{
    struct linux_timespec now = {0, 0};
    if (!vdso_gettime || vdso_gettime(clock, &now) < 0)
        linux_call3(SYS_clock_gettime, clock, &now, 0);
    return (uint64_t)now.seconds * 1000000 + (uint64_t)now.nanoseconds / 1000;
}

void clock_start(const void *vdso)
{
    if (vdso)
        vdso_gettime = (long (*)(long, struct linux_timespec *))find(
            vdso, "__vdso_clock_gettime");
    start_us = read_us(LINUX_CLOCK_MONOTONIC);
}

uint64_t plat_clock_monotonic_us(void)
{
    return read_us(LINUX_CLOCK_MONOTONIC) - start_us;
}

uint64_t plat_clock_wall_us(void)
{
    return read_us(LINUX_CLOCK_REALTIME);
}

/*
 * Linux lets a wait last up to half a percent longer than asked, to end many at
 * once: so a long one is made of a wait that is a percent shorter, and another
 * for the rest.
 */
enum { EXACT_US = 20000, SHORTER = 100 };

void plat_yield(uint64_t deadline_us)
{
    struct linux_pollfd set[DEVICES_MAX];
    unsigned count = net_poll_set(set);
    uint64_t now;
    long ready = 0;

    if (deadline_us == UINT64_MAX) {
        linux_call(SYS_ppoll, (long)set, count, 0, 0, 8, 0);
        return;
    }
    while (ready == 0 && (now = plat_clock_monotonic_us()) < deadline_us) {
        uint64_t us = deadline_us - now;
        if (us > EXACT_US)
            us -= us / SHORTER;
        struct linux_timespec wait = {(int64_t)(us / 1000000),
                                      (int64_t)(us % 1000000) * 1000};
        ready = linux_call(SYS_ppoll, (long)set, count, (long)&wait, 0, 8, 0);
    }
}
