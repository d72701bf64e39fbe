/*
 * The final page tables: an identity map in which no page is both writable
 * and executable.
 *
 *   below 1 MiB      RAM absent (page 0 with it), the rest as device memory
 *   text             read, execute
 *   rodata           read
 *   .sealed          read (after paging_seal)
 *   data, bss        read, write
 *   payload          read
 *   page tables      read (after paging_seal)
 *   stack guard      absent
 *   stack            read, write
 *   other RAM        read, write: the heap
 *   rest below 4 GiB device memory: read, write, uncached
 *   beyond           the same, where a driver asks for it
 */
#include "machine.h"

enum {
    PRESENT = 1,
    WRITABLE = 2,
    UNCACHED = 0x18, /* PCD, PWT */
    LARGE = 0x80,
};

#define NO_EXECUTE (1ull << 63)
#define READ_EXECUTE PRESENT
#define READ_ONLY (PRESENT | NO_EXECUTE)
#define READ_WRITE (PRESENT | WRITABLE | NO_EXECUTE)
#define DEVICE (READ_WRITE | UNCACHED)

#define LARGE_BYTES 0x200000ull
#define GIB 0x40000000ull
#define ENTRY_ADDRESS 0x000ffffffffff000ull

/* Device memory beyond 4 GiB is mapped in areas of one large page. */
enum { AREAS_MAX = 8, AREA_TABLES = 4, TABLES_FOR_ONE_AREA = 2 };

/* Tables lie together behind the payload, so that they can be sealed. */
SEALED struct ram_range paging_tables, paging_stack;
static SEALED uint64_t areas[AREAS_MAX];
static SEALED unsigned area_count;
static SEALED uint64_t next_table;
static SEALED uint64_t *top;

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t *new_table(void)
{
    if (next_table == paging_tables.end)
        plat_panic("page tables: more needed than were counted");
    uint64_t *table = (uint64_t *)next_table;
    next_table += PAGE_BYTES;
    for (int i = 0; i < 512; i++)
        table[i] = 0;
    return table;
}

static uint64_t *next_level(uint64_t *entry)
{
    if (!*entry) /* permissions are decided by the last level alone */
        *entry = (uint64_t)new_table() | PRESENT | WRITABLE;
    return (uint64_t *)(*entry & ENTRY_ADDRESS);
}

/* Maps [start, end), page-aligned, with 2 MiB pages where alignment allows;
 * nothing when it is empty. */
static void map(uint64_t start, uint64_t end, uint64_t flags)
{
    while (start < end) {
        uint64_t *directories = next_level(&top[start >> 39 & 511]);
        uint64_t *directory = next_level(&directories[start >> 30 & 511]);
        uint64_t *entry = &directory[start >> 21 & 511];

        if (start % LARGE_BYTES == 0 && end - start >= LARGE_BYTES) {
            *entry = start | flags | LARGE;
            start += LARGE_BYTES;
        } else {
            next_level(entry)[start >> 12 & 511] = start | flags;
            start += PAGE_BYTES;
        }
    }
}

/*
 * Upper bound: the top two levels, one table per GiB, and one per 2 MiB slot
 * that holds a border between mappings.
 */
static uint64_t count_tables(uint64_t payload_end)
{
    uint64_t borders[] = {(uint64_t)__text_start, (uint64_t)__text_end,
                          (uint64_t)__rodata_end, (uint64_t)__payload,
                          payload_end};
    uint64_t last = ram_ranges[ram_range_count - 1].end, slot = 0, count = 1;

    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++)
        if (borders[i] / LARGE_BYTES != slot) {
            slot = borders[i] / LARGE_BYTES;
            count++;
        }
    for (unsigned i = 0; i < ram_range_count; i++)
        count += (ram_ranges[i].start / LARGE_BYTES > slot) +
                 (ram_ranges[i].end / LARGE_BYTES > slot);
    if (last < DEVICE_MEMORY_END)
        last = DEVICE_MEMORY_END;
    /* 3: the tables, the guard page and the stack end in slots of their own */
    return 2 + (last + GIB - 1) / GIB + count + 3 + AREA_TABLES;
}

static bool is_ram(uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < ram_range_count; i++)
        if (start < page_up(ram_ranges[i].end) &&
            end > page_down(ram_ranges[i].start))
            return true;
    return false;
}

static bool is_area(uint64_t start)
{
    for (unsigned i = 0; i < area_count; i++)
        if (areas[i] == start)
            return true;
    return false;
}

bool paging_is_device(uint64_t start, uint64_t end)
{
    if (start < PAGE_BYTES || is_ram(start, end))
        return false;
    if (start < DEVICE_MEMORY_END)
        return end <= DEVICE_MEMORY_END;
    for (uint64_t at = start & ~(LARGE_BYTES - 1); at < end; at += LARGE_BYTES)
        if (!is_area(at))
            return false;
    return true;
}

static uint64_t address_end(void)
{
    unsigned bits = cpuid_checked(0x80000008).eax & 0xff;
    uint64_t end = bits ? 1ull << bits : ADDRESS_END;
    return min(end, DEVICE_ADDRESS_END);
}

/*
 * The page tables and what is sealed are read-only: for the moment of a change
 * the processor is told to write there all the same.  Nothing else runs
 * meanwhile, as interrupts are off.
 */
static uint64_t open_sealed(void)
{
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 & ~0x10000ull) : "memory");
    return cr0;
}

static void close_sealed(uint64_t cr0)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

static void add_area(uint64_t start)
{
    uint64_t cr0 = open_sealed();
    map(start, start + LARGE_BYTES, DEVICE);
    areas[area_count++] = start;
    close_sealed(cr0);
}

plat_result_t plat_mmio_map(uint64_t address, uint64_t len)
{
    if (len == 0 || address >= DEVICE_ADDRESS_END ||
        len > DEVICE_ADDRESS_END - address)
        return PLAT_INVALID;
    uint64_t end = address + len;
    if (end <= DEVICE_MEMORY_END)
        return paging_is_device(address, end) ? PLAT_OK : PLAT_INVALID;
    if (address < DEVICE_MEMORY_END || end > address_end())
        return PLAT_INVALID;
    for (uint64_t at = address & ~(LARGE_BYTES - 1); at < end;
         at += LARGE_BYTES) {
        if (is_area(at))
            continue;
        if (is_ram(at, at + LARGE_BYTES))
            return PLAT_INVALID;
        if (area_count == AREAS_MAX ||
            paging_tables.end - next_table < TABLES_FOR_ONE_AREA * PAGE_BYTES)
            return PLAT_UNAVAILABLE;
        add_area(at);
    }
    return PLAT_OK;
}

static void enable_protections(void)
{
    struct cpuid features = cpuid_checked(7);
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    if (features.ecx >> 2 & 1)
        cr4 |= 1 << 11; /* UMIP */
    if (features.ebx >> 7 & 1)
        cr4 |= 1 << 20; /* SMEP */
    if (features.ebx >> 20 & 1)
        cr4 |= 1 << 21; /* SMAP */
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
}

static uint64_t total_ram(void)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < ram_range_count; i++)
        total += ram_ranges[i].end - ram_ranges[i].start;
    return total;
}

uint64_t paging_start(uint64_t payload_end)
{
    uint64_t text = (uint64_t)__text_start;
    uint64_t device = PAGE_BYTES; /* end of what was dealt with so far */
    uint64_t tables_end = payload_end + count_tables(payload_end) * PAGE_BYTES;

    paging_tables = (struct ram_range){payload_end, tables_end};
    paging_stack.start = tables_end + PAGE_BYTES; /* behind the guard page */
    paging_stack.end = paging_stack.start + stack_bytes_for(total_ram());
    next_table = payload_end;
    for (unsigned i = 0; i < ram_range_count; i++)
        if (ram_ranges[i].start <= text && text < ram_ranges[i].end &&
            paging_stack.end >= page_down(ram_ranges[i].end))
            boot_does_not_fit(paging_stack.end, ram_ranges[i].end);
    top = new_table();

    map(text, (uint64_t)__text_end, READ_EXECUTE);
    map((uint64_t)__text_end, (uint64_t)__rodata_end, READ_ONLY);
    map((uint64_t)__rodata_end, (uint64_t)__payload, READ_WRITE);
    map((uint64_t)__payload, payload_end, READ_ONLY);
    map(payload_end, tables_end, READ_WRITE);

    for (unsigned i = 0; i < ram_range_count; i++) {
        uint64_t start = ram_ranges[i].start, end = ram_ranges[i].end;
        map(device, min(page_down(start), DEVICE_MEMORY_END), DEVICE);
        device = page_up(end);
        if (start <= text && text < end)
            start = paging_stack.start;
        if (start >= text)
            map(page_up(start), page_down(end), READ_WRITE);
    }
    map(device, DEVICE_MEMORY_END, DEVICE);

    enable_protections();
    __asm__ volatile("mov %0, %%cr3" : : "r"(top) : "memory");
    return paging_stack.end;
}

/* A table becomes read-only by an entry in a table, perhaps in itself, and
 * there are more entries to write: how long the processor remembers that it
 * was writable depends on where it lies. */
void paging_seal(void)
{
    uint64_t cr0 = open_sealed();
    map((uint64_t)__rodata_end, (uint64_t)__sealed_end, READ_ONLY);
    map(paging_tables.start, paging_tables.end, READ_ONLY);
    __asm__ volatile("mov %0, %%cr3" : : "r"(top) : "memory");
    close_sealed(cr0);
}
