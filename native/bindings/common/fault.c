/* The report of a processor exception: in words first, then the registers. */
#include "common.h"

enum { PAGE_FAULT = 14, CODE_WRITE = 2, CODE_FETCH = 16 };

static const char *const names[] = {
    "division error",      "debug",
    "non-maskable interrupt", "breakpoint",
    "overflow",            "bound exceeded",
    "invalid instruction", "no floating point unit",
    "double fault",        "coprocessor overrun",
    "invalid task state",  "segment not present",
    "stack segment fault", "general protection fault",
    "page fault",          "reserved",
    "floating point error", "misaligned access",
    "machine check",       "SIMD floating point error",
    [FAULT_SENT] = "none here, another process sent a signal",
};

static void print_register(const char *name, uint64_t value, const char *after)
{
    console_text(name);
    console_hex(value, 16);
    console_text(after);
}

_Noreturn void fault_describe(const struct fault *f,
                              const char *(*place)(uint64_t address))
{
    console_text("\nfault: ");
    bool is_known = f->vector < sizeof names / sizeof *names && names[f->vector];
    console_text(is_known ? names[f->vector] : "unknown");
    if (f->vector == PAGE_FAULT) {
        console_text(f->code & CODE_FETCH   ? ", execute at 0x"
                     : f->code & CODE_WRITE ? ", write to 0x"
                                            : ", read from 0x");
        console_hex(f->address, 16);
        console_text("\n       in ");
        console_text(place(f->address));
    }
    print_register("\n rip ", f->rip, " in ");
    console_text(place(f->rip));
    print_register("\n rsp ", f->rsp, "  ");
    print_register("flg ", f->flags, "  ");
    print_register("err ", f->code, "\n");
    print_register(" rax ", f->rax, "  ");
    print_register("rbx ", f->rbx, "  ");
    print_register("rcx ", f->rcx, "\n");
    print_register(" rdx ", f->rdx, "  ");
    print_register("rsi ", f->rsi, "  ");
    print_register("rdi ", f->rdi, "\n");
    print_register(" rbp ", f->rbp, "  ");
    print_register("r8  ", f->r8, "  ");
    print_register("r9  ", f->r9, "\n");
    print_register(" r10 ", f->r10, "  ");
    print_register("r11 ", f->r11, "  ");
    print_register("r12 ", f->r12, "\n");
    print_register(" r13 ", f->r13, "  ");
    print_register("r14 ", f->r14, "  ");
    print_register("r15 ", f->r15, "\n");
    plat_exit(PLAT_STATUS_PANIC);
}
