/*
 * Processor exceptions.  All are fatal: each is described on the console in
 * words, with the registers, and ends the machine with PLAT_STATUS_PANIC.
 * They run on a stack of their own, so that an overflow of the main stack can
 * be told as well.
 */
#include "machine.h"

struct fault_frame { /* as pushed by trap.S */
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t vector, code;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct task_state {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));

enum {
    CODE_SELECTOR = 8,
    TASK_SELECTOR = 24,
    INTERRUPT_GATE = 0x8e,
    FAULT_STACK = 1,
    DOUBLE_FAULT_STACK = 2,
    DOUBLE_FAULT = 8,
};

static SEALED struct gate gates[256];
static SEALED struct task_state task;
extern uint64_t gdt_task[2];
extern char trap_exceptions[];

void fault_gate(unsigned vector, const void *handler, unsigned stack)
{
    uint64_t address = (uint64_t)handler;
    gates[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .selector = CODE_SELECTOR,
        .stack = (uint8_t)stack,
        .type = INTERRUPT_GATE,
        .offset_middle = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

void fault_start(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {sizeof gates - 1, (uint64_t)gates};
    uint64_t base = (uint64_t)&task, limit = sizeof task - 1;

    task.ist[FAULT_STACK - 1] = (uint64_t)__boot_stack_top;
    task.ist[DOUBLE_FAULT_STACK - 1] = (uint64_t)__double_fault_stack_top;
    task.io_map = sizeof task;
    gdt_task[0] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 |
                  (base >> 24 & 0xff) << 56;
    gdt_task[1] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(TASK_SELECTOR));

    for (unsigned i = 0; i < 32; i++)
        fault_gate(i, trap_exceptions + 16 * i,
                   i == DOUBLE_FAULT ? DOUBLE_FAULT_STACK : FAULT_STACK);
    __asm__ volatile("lidt %0" : : "m"(idt));
}

/* What an address is, in the words of link.ld. */
static const char *place(uint64_t address)
{
    const struct {
        const char *end, *name;
    } image[] = {
        {__text_start, NULL},
        {__text_end, "text (read, execute)"},
        {__rodata_end, "constants (read-only)"},
        {__sealed_end, "sealed data (read-only)"},
        {__payload, "data (read, write)"},
    };

    if (address < PAGE_BYTES)
        return "page 0: a null pointer";
    for (size_t i = 1; i < sizeof image / sizeof *image; i++)
        if (address >= (uint64_t)image[0].end &&
            address < (uint64_t)image[i].end)
            return image[i].name;
    for (unsigned i = 0; i < ram_range_count; i++)
        if (address >= ram_ranges[i].start && address < ram_ranges[i].end)
            return address < (uint64_t)__text_start
                       ? "memory below the image (not mapped)"
                   : address >= paging_stack.end ? "the heap (no execute)"
                   : address >= paging_stack.start ? "the stack (no execute)"
                   : address >= paging_tables.end
                       ? "the stack guard page: the C stack overflowed"
                   : address >= paging_tables.start
                       ? "the page tables (read-only)"
                       : "the payload (read-only)";
    return paging_is_device(address, address + 1) ? "device memory" : "nothing";
}

_Noreturn void fault_report(const struct fault_frame *f);
_Noreturn void fault_report(const struct fault_frame *f)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    struct fault fault = {
        f->vector, f->code, address, f->rip, f->rsp, f->rflags, f->rax,
        f->rbx,    f->rcx,  f->rdx,  f->rsi, f->rdi, f->rbp,    f->r8,
        f->r9,     f->r10,  f->r11,  f->r12, f->r13, f->r14,    f->r15,
    };
    fault_describe(&fault, place);
}
