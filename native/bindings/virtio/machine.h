/* Shared by the files of this binding: processor helpers and boot order. */
#ifndef MIRAGE_MACHINE_H
#define MIRAGE_MACHINE_H

#include "common.h"

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t rdmsr(uint32_t number)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t number, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(number), "a"((uint32_t)value),
                       "d"((uint32_t)(value >> 32))
                     : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(0));
    return r;
}

/* CPUID leaf, all zero when the processor or hypervisor does not have it. */
static inline struct cpuid cpuid_checked(uint32_t leaf)
{
    if (cpuid(leaf & 0xffff0000u).eax < leaf)
        return (struct cpuid){0, 0, 0, 0};
    return cpuid(leaf);
}

/* Usable RAM as the loader describes it, sorted; borders need not be pages'. */
struct ram_range {
    uint64_t start, end;
};
#define RAM_RANGES 16
extern struct ram_range ram_ranges[RAM_RANGES];
extern unsigned ram_range_count;

/* Device memory is mapped below 4 GiB, and below 128 TiB when asked for; RAM is
 * looked for below 512 GiB. */
#define DEVICE_MEMORY_END 0x100000000ull
#define DEVICE_ADDRESS_END 0x800000000000ull
#define ADDRESS_END 0x8000000000ull

/* Symbols of link.ld. */
extern char __text_start[], __text_end[], __rodata_end[], __sealed_end[];
extern char __boot_stack_top[], __double_fault_stack_top[], __payload[];

/* In the order boot_main() calls them. */
void console_start(void);
void console_drain(void);
void fault_start(void);
void entropy_start(void);
uint64_t paging_start(uint64_t payload_end); /* returns where the heap begins */
void clock_start(void);
void irq_start(void);
void paging_seal(void); /* SEALED variables and page tables: read-only now */

extern struct ram_range paging_tables, paging_stack;

/* All of [start, end) is device memory that is mapped. */
bool paging_is_device(uint64_t start, uint64_t end);
bool io_is_device_memory(uint64_t address, unsigned width);

/* When plat_clock_monotonic_us() should be called again, for it to be right for
 * good; UINT64_MAX: need not.  Both of these only once it was called. */
uint64_t clock_due_us(void);
uint64_t clock_us_between(uint64_t from_tsc, uint64_t to_tsc);

/* Entry of vector `vector`; stack 0 is the current one. */
void fault_gate(unsigned vector, const void *handler, unsigned stack);

_Noreturn void boot_does_not_fit(uint64_t needed_end, uint64_t ram_end);
_Noreturn void machine_stop(int status);

#endif
