/*
 * First C code: reads what the loader left (PVH's hvm_start_info, or the tags of
 * multiboot2), checks that image and payload fit, brings the machine up in order, runs the application.
 */
#include "machine.h"
#include "payload.h"

const char plat_target[] = "virtio";

#define START_MAGIC 0x336ec578u

/* boot.S maps so much. */
#define EARLY_MAP_END 0x40000000u

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp;
    uint64_t memory_map; /* from version 1 on */
    uint32_t memory_map_count, reserved;
};

struct memory_map_entry {
    uint64_t start, len;
    uint32_t type, reserved; /* type 1: usable RAM */
};

/* Multiboot2 specification 2.0, section 3.6. */
#define MULTIBOOT_LOADER 0x36d76289u

struct multiboot {
    uint32_t len, reserved;
};

struct multiboot_tag {
    uint32_t type, len; /* padded to 8 */
};

enum {
    MULTIBOOT_END = 0,
    MULTIBOOT_COMMAND_LINE = 1,
    MULTIBOOT_MEMORY_MAP = 6, /* u32 entry size, version; entries as above */
    MULTIBOOT_ACPI_1 = 14,    /* a copy of the firmware's root pointer */
    MULTIBOOT_ACPI_2 = 15,
};

SEALED struct ram_range ram_ranges[RAM_RANGES];
SEALED unsigned ram_range_count;
static SEALED char command_line[PAGE_BYTES];
static SEALED uint8_t acpi_root[PLAT_ACPI_ROOT_BYTES];
static SEALED bool has_acpi_root;
static SEALED struct plat_start start;

enum { MSR_FS_BASE = 0xc0000100 };

_Noreturn void boot_switch(void (*function)(const void *), const void *argument,
                           uint64_t stack_top);

static void add_ram(uint64_t from, uint64_t end)
{
    unsigned i = ram_range_count;

    if (end > ADDRESS_END)
        end = ADDRESS_END;
    if (from >= end)
        return;
    if (i == RAM_RANGES)
        plat_panic("the memory map has more ranges than supported");
    for (; i > 0 && ram_ranges[i - 1].start > from; i--)
        ram_ranges[i] = ram_ranges[i - 1];
    ram_ranges[i] = (struct ram_range){from, end};
    ram_range_count++;
}

static void read_command_line(const char *from)
{
    for (size_t i = 0; from && from[i] && i < sizeof command_line - 1; i++)
        command_line[i] = from[i];
}

static void read_acpi_root(const uint8_t *from, uint32_t len)
{
    for (uint32_t i = 0; i < len && i < sizeof acpi_root; i++)
        acpi_root[i] = from[i];
    has_acpi_root = true;
}

static void read_multiboot(const struct multiboot *info)
{
    const struct multiboot_tag *tag = (const void *)(info + 1);
    const void *end = (const uint8_t *)info + info->len;

    while ((const void *)tag < end && tag->type != MULTIBOOT_END) {
        if (tag->type == MULTIBOOT_COMMAND_LINE)
            read_command_line((const char *)(tag + 1));
        if ((tag->type == MULTIBOOT_ACPI_1 && !has_acpi_root) ||
            tag->type == MULTIBOOT_ACPI_2)
            read_acpi_root((const uint8_t *)(tag + 1),
                           tag->len - (uint32_t)sizeof *tag);
        if (tag->type == MULTIBOOT_MEMORY_MAP) {
            const uint32_t *sizes = (const void *)(tag + 1);
            for (uint32_t at = 16; at + 24 <= tag->len; at += sizes[0]) {
                const struct memory_map_entry *entry =
                    (const void *)((const uint8_t *)tag + at);
                if (entry->type == 1)
                    add_ram(entry->start, entry->start + entry->len);
            }
        }
        tag = (const void *)((const uint8_t *)tag + ((tag->len + 7) & ~7u));
    }
    if (ram_range_count == 0)
        plat_panic("the loader gave no memory map");
}

static void read_start_info(const struct start_info *info)
{
    if (info->magic != START_MAGIC)
        plat_panic("not started by a PVH loader");
    if (info->version < 1 || info->memory_map_count == 0)
        plat_panic("the loader gave no memory map");

    const struct memory_map_entry *map = (void *)info->memory_map;
    for (uint32_t i = 0; i < info->memory_map_count; i++)
        if (map[i].type == 1)
            add_ram(map[i].start, map[i].start + map[i].len);

    read_command_line((const char *)info->command_line);
    if (info->rsdp && info->rsdp <= EARLY_MAP_END - sizeof acpi_root)
        read_acpi_root((const uint8_t *)info->rsdp, sizeof acpi_root);
}

_Noreturn void boot_does_not_fit(uint64_t needed_end, uint64_t ram_end)
{
    console_text("out of memory: the image and its stack end at 0x");
    console_hex(needed_end, 10);
    console_text(", usable memory at 0x");
    console_hex(ram_end, 10);
    console_text("; give the machine more memory\n");
    machine_stop(PLAT_STATUS_OUT_OF_MEMORY);
}

/* End of the payload, page-rounded; does not return when it does not fit. */
static uint64_t check_layout(void)
{
    const struct payload_header *payload = (void *)__payload;
    uint64_t text = (uint64_t)__text_start, ram_end = 0;

    for (unsigned i = 0; i < ram_range_count; i++)
        if (ram_ranges[i].start <= text && text < ram_ranges[i].end)
            ram_end = page_down(ram_ranges[i].end);

    uint64_t end = (uint64_t)__payload + PAGE_BYTES;
    if (end <= ram_end) {
        for (int i = 0; i < 8; i++)
            if (payload->magic[i] != PAYLOAD_MAGIC[i])
                plat_panic("the image has no payload (bad magic)");
        if (payload->len < sizeof *payload || payload->len >= ADDRESS_END)
            plat_panic("the payload's length is wrong");
        end = page_up((uint64_t)__payload + payload->len);
    }
    if (end >= ram_end)
        boot_does_not_fit(end, ram_end);
    return end;
}

/* Fills in `start`; what does not fit into its ranges is left alone. */
static void describe(uint64_t payload_end, uint64_t heap_start)
{
    start = (struct plat_start){
        .command_line = command_line,
        .payload = (const uint8_t *)__payload,
        .payload_len = payload_end - (uint64_t)__payload,
        .stack_bytes = paging_stack.end - paging_stack.start,
        .acpi_root = has_acpi_root ? acpi_root : NULL,
    };

    for (unsigned i = 0; i < ram_range_count; i++) {
        struct ram_range range = ram_ranges[i];
        start.total_bytes += range.end - range.start;
        if (range.start <= heap_start && heap_start < range.end)
            range.start = heap_start;
        else if (range.start < heap_start)
            continue; /* below the image: left alone */
        range.start = page_up(range.start);
        range.end = page_down(range.end);
        if (range.start >= range.end ||
            start.memory_count == PLAT_MEMORY_RANGES)
            continue;
        start.memory[start.memory_count++] = (struct plat_range){
            (uint8_t *)range.start, range.end - range.start};
    }
}

static _Noreturn void run(const void *argument)
{
    plat_exit(app_main(argument));
}

/* Sets the stack protector's value, so it cannot be protected itself. */
__attribute__((no_stack_protector)) _Noreturn void boot_main(const void *info,
                                                             uint32_t loader);

_Noreturn void boot_main(const void *info, uint32_t loader)
{
    thread_block[THREAD_SELF] = (uint64_t)thread_block;
    wrmsr(MSR_FS_BASE, (uint64_t)thread_block);
    console_start();
    fault_start();
    entropy_start();
    uint64_t canary = rdtsc() * 0x9e3779b97f4a7c15;
    plat_entropy_fill((uint8_t *)&canary, sizeof canary);
    thread_block[THREAD_CANARY] = canary & ~0xffull; /* stops string overruns */
    /* Copies everything out: the loader's memory may later become heap. */
    if (loader == MULTIBOOT_LOADER)
        read_multiboot(info);
    else
        read_start_info(info);
    uint64_t payload_end = check_layout();
    uint64_t heap_start = paging_start(payload_end);
    clock_start();
    irq_start();
    describe(payload_end, heap_start);
    paging_seal();
    boot_switch(run, &start, paging_stack.end);
}
