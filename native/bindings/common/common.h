/* What bindings that run compiled code on bare metal or bare Linux share. */
#ifndef MIRAGE_COMMON_H
#define MIRAGE_COMMON_H

#include "plat.h"

#define PAGE_BYTES 4096ull

/* Variables written only during the start, zero before; read-only once it is
 * over. */
#define SEALED __attribute__((section(".bss.sealed")))

static inline uint64_t page_down(uint64_t address)
{
    return address & ~(PAGE_BYTES - 1);
}

static inline uint64_t page_up(uint64_t address)
{
    return page_down(address + PAGE_BYTES - 1);
}

void console_text(const char *text);
void console_hex(uint64_t value, unsigned digits);

/* In place of a vector: nothing went wrong here, but somebody said so. */
enum { FAULT_SENT = 32 };

/* A processor exception; vector, code and address as the processor gives
 * them, the rest is for the reader. */
struct fault {
    uint64_t vector, code, address;
    uint64_t rip, rsp, flags;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};

/* Describes the fault in words and ends with PLAT_STATUS_PANIC; `place` says
 * what an address is. */
_Noreturn void fault_describe(const struct fault *f,
                              const char *(*place)(uint64_t address));

/* Bytes of stack for a machine of this much memory: a sixteenth, within
 * bounds. */
uint64_t stack_bytes_for(uint64_t total);

/* What compiled code finds at fs: its own address first, the stack protector's
 * value at 40, errno further on. */
extern uint64_t thread_block[32];
enum { THREAD_SELF = 0, THREAD_CANARY = 5 };

#endif
