/*
 * First C code: reads what Linux left on the stack, takes all memory that will
 * ever be needed, seals the process, runs the application.
 *
 * The environment variable MIRAGE_SPT says what the process was given, in
 * words separated by spaces; `mirage-spt` (host/spt.c) sets it:
 *
 *   mem=MIB           memory: heap and stack; default 64
 *   tap=FD            network: a tap, non-blocking, without packet information
 *   tap-offload=FD    network: likewise, and in front of each frame is a struct
 *                     virtio_net_hdr_v1, little-endian: checksums may be left
 *                     to complete and TCP frames to cut, both ways
 *   stream=FD         network: a Unix stream socket, non-blocking
 *   disk=FD           block device: a file open for reading and writing
 *   disk-ro=FD        block device: a file open for reading
 *
 * Descriptors other than these and the standard ones are closed.
 */
#include <elf.h>

#include "payload.h"
#include "process.h"

const char plat_target[] = "spt";

enum {
    MEM_DEFAULT_MIB = 64,
    MEM_MIN_MIB = 2,
    MEM_MAX_MIB = 1 << 20,
    COMMAND_LINE_BYTES = 4096,

    O_RDONLY = 0,
    O_CLOEXEC = 02000000,
    PROT_READ = 1,
    PROT_WRITE = 2,
    MAP_PRIVATE = 2,
    MAP_ANONYMOUS = 0x20,
    MAP_NORESERVE = 0x4000,
    ARCH_SET_FS = 0x1002,
};

SEALED struct device devices[DEVICES_MAX];
SEALED unsigned device_count;
SEALED int entropy_fd;
SEALED uint8_t *stack_start, *stack_end, *heap_start, *heap_end, *payload_end;
static SEALED char command_line[COMMAND_LINE_BYTES];
static SEALED struct plat_start start;
static SEALED uint64_t mem_mib;

_Noreturn void process_switch(void (*function)(const void *),
                              const void *argument, const void *stack_top);

/* The rest of `text` after `prefix`, or NULL when it begins otherwise. */
static const char *after(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return NULL;
    return text;
}

/* Reads a number that ends a word, and moves past it. */
static uint64_t read_number(const char **at)
{
    uint64_t value = 0;
    const char *digits = *at;
    while (**at >= '0' && **at <= '9' && value < UINT32_MAX)
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    if (*at == digits || (**at && **at != ' '))
        plat_panic("MIRAGE_SPT: a number was expected");
    return value;
}

static void add_device(enum device_kind kind, bool is_writable,
                       const char **at)
{
    if (device_count == DEVICES_MAX)
        plat_panic("MIRAGE_SPT: at most 16 devices are supported");
    devices[device_count++] =
        (struct device){kind, is_writable, (int)read_number(at)};
}

static void read_devices(const char *at)
{
    const char *value;
    mem_mib = MEM_DEFAULT_MIB;
    while (*at) {
        if (*at == ' ') {
            at++;
        } else if ((value = after(at, "mem="))) {
            mem_mib = read_number(&value);
            at = value;
        } else if ((value = after(at, "tap="))) {
            add_device(DEVICE_TAP, true, &value);
            at = value;
        } else if ((value = after(at, "tap-offload="))) {
            add_device(DEVICE_TAP_OFFLOAD, true, &value);
            at = value;
        } else if ((value = after(at, "stream="))) {
            add_device(DEVICE_STREAM, true, &value);
            at = value;
        } else if ((value = after(at, "disk="))) {
            add_device(DEVICE_BLOCK, true, &value);
            at = value;
        } else if ((value = after(at, "disk-ro="))) {
            add_device(DEVICE_BLOCK, false, &value);
            at = value;
        } else {
            plat_panic("MIRAGE_SPT: expected mem=, tap=, tap-offload=, "
                       "stream=, disk= or disk-ro=");
        }
    }
    if (mem_mib < MEM_MIN_MIB || mem_mib > MEM_MAX_MIB)
        plat_panic("MIRAGE_SPT: mem must be 2 to 1048576");
}

static bool is_plain(const char *word)
{
    for (const char *c = word; *c; c++)
        if (*c == ' ' || (*c >= '\t' && *c <= '\r') || *c == '"' ||
            *c == '\'' || *c == '\\')
            return false;
    return *word != 0;
}

/* The arguments as one line, words quoted where a reader would split them. */
static void join_arguments(char **argv)
{
    size_t len = 0;
    for (int i = 1; argv[0] && argv[i]; i++) {
        bool plain = is_plain(argv[i]);
        if (i > 1)
            command_line[len++] = ' ';
        if (!plain)
            command_line[len++] = '"';
        for (const char *c = argv[i]; *c; c++) {
            if (len > COMMAND_LINE_BYTES - 6)
                plat_panic("the arguments are longer than 4 KiB");
            if (*c == '"' || *c == '\\')
                command_line[len++] = '\\';
            command_line[len++] = *c;
        }
        if (!plain)
            command_line[len++] = '"';
    }
}

static uint8_t *map(size_t len)
{
    long address = linux_call(SYS_mmap, 0, (long)len, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                              0);
    if (address < 0) {
        console_text("out of memory: the host refuses what mem= asks for\n");
        plat_exit(PLAT_STATUS_OUT_OF_MEMORY);
    }
    return (uint8_t *)address;
}

/* The stack, an inaccessible page below it, and the heap. */
static void take_memory(void)
{
    size_t total = mem_mib << 20, stack = stack_bytes_for(total);
    uint8_t *guard = map(stack + PAGE_BYTES);
    if (linux_call3(SYS_mprotect, guard, PAGE_BYTES, 0) < 0)
        plat_panic("cannot protect the page below the stack");
    stack_start = guard + PAGE_BYTES;
    stack_end = stack_start + stack;
    heap_start = map(total - stack);
    heap_end = heap_start + (total - stack);
}

/* Nothing that was inherited by accident stays open: no descriptor but the
 * standard ones and the devices'. */
static void close_others(void)
{
    for (unsigned from = CONSOLE_FD + 2;;) {
        unsigned next = UINT32_MAX;
        for (unsigned i = 0; i < device_count; i++) {
            unsigned fd = (unsigned)devices[i].fd;
            if (fd >= from && fd < next)
                next = fd;
        }
        if (next > from)
            linux_call3(SYS_close_range, from, next - 1, 0);
        if (next == UINT32_MAX)
            return;
        from = next + 1;
    }
}

/* Bytes of the payload that Linux mapped. */
static size_t payload_bytes(const Elf64_Phdr *segments, size_t count)
{
    const struct payload_header *payload = (const void *)__payload;

    for (size_t i = 0; i < sizeof payload->magic; i++)
        if (payload->magic[i] != PAYLOAD_MAGIC[i])
            plat_panic("the image has no payload (bad magic)");
    for (size_t i = 0; i < count; i++)
        if (segments[i].p_vaddr == (uint64_t)__payload) {
            if (payload->len > segments[i].p_filesz)
                plat_panic("the payload's length is wrong");
            return page_up(segments[i].p_filesz);
        }
    plat_panic("the image has no segment for a payload");
}

static void describe(void)
{
    start = (struct plat_start){
        .command_line = command_line,
        .payload = (const uint8_t *)__payload,
        .payload_len = (size_t)(payload_end - (uint8_t *)__payload),
        .memory = {{heap_start, (size_t)(heap_end - heap_start)}},
        .memory_count = 1,
        .total_bytes = mem_mib << 20,
        .stack_bytes = (size_t)(stack_end - stack_start),
    };
}

static _Noreturn void run(const void *argument)
{
    plat_exit(app_main(argument));
}

/* Sets the stack protector's value, so it cannot be protected itself. */
__attribute__((no_stack_protector)) _Noreturn void process_main(long *stack);

_Noreturn void process_main(long *stack)
{
    char **argv = (char **)(stack + 1);
    char **environment = argv + stack[0] + 1;
    const void *vdso = NULL, *random = NULL;
    const Elf64_Phdr *segments = NULL;
    size_t segment_count = 0;
    const char *given = "", *value;
    long *auxiliary;

    for (; *environment; environment++)
        if ((value = after(*environment, "MIRAGE_SPT=")))
            given = value;
    for (auxiliary = (long *)(environment + 1); *auxiliary; auxiliary += 2) {
        if (auxiliary[0] == AT_PHDR)
            segments = (const void *)auxiliary[1];
        if (auxiliary[0] == AT_PHNUM)
            segment_count = (size_t)auxiliary[1];
        if (auxiliary[0] == AT_RANDOM)
            random = (const void *)auxiliary[1];
        if (auxiliary[0] == AT_SYSINFO_EHDR)
            vdso = (const void *)auxiliary[1];
    }
    thread_block[THREAD_SELF] = (uint64_t)thread_block;
    if (random) /* the lowest byte 0 stops string overruns */
        thread_block[THREAD_CANARY] = *(const uint64_t *)random & ~0xffull;
    linux_call3(SYS_arch_prctl, ARCH_SET_FS, thread_block, 0);

    read_devices(given);
    join_arguments(argv);
    close_others();
    entropy_fd = (int)linux_call3(SYS_openat, -100, "/dev/urandom",
                                  O_RDONLY | O_CLOEXEC);
    take_memory();
    fault_start();
    clock_start(vdso);
    net_start();
    block_start();
    payload_end = (uint8_t *)__payload + payload_bytes(segments, segment_count);
    describe();
    seal();
    process_switch(run, &start, stack_end);
}
