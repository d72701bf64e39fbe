/*
 * Walks the page tables the processor uses: no page is writable and
 * executable, page 0 and the stack guard are absent, the command line and all
 * memory handed out are usable.
 */
#include "test.h"

#define ADDRESS 0x000ffffffffff000ull
#define NO_EXECUTE (1ull << 63)
enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80 };

extern char __text_start[], __text_end[];
static unsigned pages, executable_pages;

/* Entry that maps an address, or 0. */
static uint64_t lookup(uint64_t address)
{
    uint64_t entry;
    __asm__("mov %%cr3, %0" : "=r"(entry));
    for (int shift = 39; shift >= 12; shift -= 9) {
        entry = ((uint64_t *)(entry & ADDRESS))[address >> shift & 511];
        if (!(entry & PRESENT))
            return 0;
        if (entry & LARGE)
            break;
    }
    return entry;
}

static void walk(uint64_t table, int level)
{
    for (int i = 0; i < 512; i++) {
        uint64_t entry = ((uint64_t *)table)[i];
        if (!(entry & PRESENT))
            continue;
        if (level > 1 && !(entry & LARGE)) {
            walk(entry & ADDRESS, level - 1);
            continue;
        }
        pages++;
        executable_pages += !(entry & NO_EXECUTE);
        check(!(entry & WRITABLE) || entry & NO_EXECUTE);
    }
}

/* Beyond 4 GiB it is there when asked for, in a few places. */
static void check_high_device_memory(void)
{
    const uint64_t first = 0x9000000000, far = 1ull << 30;
    uint64_t cr0;
    uint32_t value;
    uint8_t byte;

    check(plat_mmio_read(first, 4, &value) == PLAT_INVALID);
    check(plat_mmio_map(first + 0x1ff000, 0x2000) == PLAT_OK);
    check(lookup(first) & WRITABLE && lookup(first) & NO_EXECUTE);
    check(plat_mmio_read(first, 4, &value) == PLAT_OK);
    check(plat_mmio_read(first + 0x3ffffc, 4, &value) == PLAT_OK);
    check(plat_mmio_read(first + 0x400000, 4, &value) == PLAT_INVALID);
    check(plat_firmware_read(first + 0x3fffff, &byte, 1) == PLAT_OK);
    check(plat_firmware_read(first + 0x3fffff, &byte, 2) == PLAT_INVALID);
    check(plat_mmio_map(1ull << 46, 1) == PLAT_INVALID); /* too far */
    check(plat_mmio_map(0xffffffff, 2) == PLAT_INVALID);
    unsigned count = 0;
    while (count < 8 && plat_mmio_map(first + (count + 1) * far, 1) == PLAT_OK)
        count++;
    check(count >= 1 && count < 8);
    check(plat_mmio_map(first + 8 * far, 1) == PLAT_UNAVAILABLE);
    check(plat_mmio_read(first + far, 4, &value) == PLAT_OK);
    __asm__("mov %%cr0, %0" : "=r"(cr0));
    check(cr0 >> 16 & 1);
}

int app_main(const struct plat_start *start)
{
    uint64_t cr0, cr3, cr4;
    uint32_t eax = 7, ebx, ecx = 0, edx;
    __asm__("mov %%cr0, %0" : "=r"(cr0));
    __asm__("mov %%cr3, %0" : "=r"(cr3));
    __asm__("mov %%cr4, %0" : "=r"(cr4));

    check(cr0 >> 16 & 1);                      /* WP */
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    check((cr4 >> 20 & 1) == (ebx >> 7 & 1));  /* SMEP */
    check((cr4 >> 21 & 1) == (ebx >> 20 & 1)); /* SMAP */
    check((cr4 >> 11 & 1) == (ecx >> 2 & 1));  /* UMIP */
    print("SMEP ");
    print_number(cr4 >> 20 & 1);
    print(" SMAP ");
    print_number(cr4 >> 21 & 1);
    print(" UMIP ");
    print_number(cr4 >> 11 & 1);
    print("\n");
    walk(cr3 & ADDRESS, 4);
    check(pages > 100);
    check(executable_pages == (uint64_t)(__text_end - __text_start) / 4096);
    check(!lookup(0) && !lookup(0x1000));
    uint64_t stack_end = (uint64_t)start->memory[0].start;
    check(!lookup(stack_end - start->stack_bytes - 1));
    check(lookup(stack_end - start->stack_bytes) & WRITABLE);
    check((uint64_t)&cr0 < stack_end && (uint64_t)&cr0 > stack_end - 4096);
    check(!(lookup((uint64_t)start->payload) & WRITABLE));
    check(!(lookup(cr3 & ADDRESS) & WRITABLE)); /* the tables themselves */

    check(start->memory_count >= 1);
    size_t total = 0;
    for (unsigned i = 0; i < start->memory_count; i++) {
        uint8_t *from = start->memory[i].start;
        size_t len = start->memory[i].len;
        check((uintptr_t)from % 4096 == 0 && len % 4096 == 0 && len > 0);
        size_t step = len > 64 << 20 ? 16 << 20 : 4096; /* huge pages of the host */
        for (size_t at = 0; at < len; at += step)
            from[at] = (uint8_t)(at >> 12);
        for (size_t at = 0; at < len; at += step)
            check(from[at] == (uint8_t)(at >> 12));
        total += len;
    }
    check(total < start->total_bytes);

    uint32_t value;
    check(plat_mmio_read((uint64_t)start, 4, &value) == PLAT_INVALID);
    check(plat_mmio_read(0, 4, &value) == PLAT_INVALID);
    check(plat_mmio_read(0xfee00032, 4, &value) == PLAT_INVALID);
    check(plat_mmio_write(0x100000000, 4, 0) == PLAT_INVALID);
    check(plat_mmio_read(0xfee00030, 4, &value) == PLAT_OK);
    check_high_device_memory();
    pages = executable_pages = 0;
    walk(cr3 & ADDRESS, 4);
    check(executable_pages == (uint64_t)(__text_end - __text_start) / 4096);
    check(!(lookup(cr3 & ADDRESS) & WRITABLE));
    print("SUCCESS\n");
    if (asked_for(start, "again"))
        plat_restart(0);
    return 0;
}
