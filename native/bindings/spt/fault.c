/*
 * Processor exceptions, which Linux delivers as signals.  All are fatal: the
 * handler, on a stack of its own so that an overflow can be told as well,
 * describes the fault and ends the process.
 */
#include "process.h"

enum {
    SIGILL = 4,
    SIGBUS = 7,
    SIGFPE = 8,
    SIGSEGV = 11,
    SIGPIPE = 13,
    SA_SIGINFO = 4,
    SA_RESTORER = 0x04000000,
    SA_ONSTACK = 0x08000000,
    HANDLER_STACK_BYTES = 32 * 1024,
};
#define SIG_IGN ((void *)1)

struct action { /* the kernel's struct sigaction */
    const void *handler;
    uint64_t flags;
    const void *restorer;
    uint64_t mask;
};

/* ucontext_t as the kernel pushes it, as far as it is read here. */
struct context {
    uint64_t flags, link, stack[3];
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    uint64_t selectors, code, vector, mask, cr2;
};

static uint8_t handler_stack[HANDLER_STACK_BYTES];

static bool is_in(uint64_t address, const void *start, const void *end)
{
    return address >= (uint64_t)start && address < (uint64_t)end;
}

/* What an address is, in the words of link.ld. */
static const char *place(uint64_t address)
{
    if (address < PAGE_BYTES)
        return "page 0: a null pointer";
    if (is_in(address, __text_start, __text_end))
        return "text (read, execute)";
    if (is_in(address, __text_end, __rodata_end))
        return "constants (read-only)";
    if (is_in(address, __rodata_end, __sealed_end))
        return "sealed data (read-only)";
    if (is_in(address, __sealed_end, __payload))
        return "data (read, write)";
    if (is_in(address, stack_start - PAGE_BYTES, stack_start))
        return "the stack guard page: the C stack overflowed";
    if (is_in(address, stack_start, stack_end))
        return "the stack (no execute)";
    if (is_in(address, heap_start, heap_end))
        return "the heap (no execute)";
    if (is_in(address, __payload, payload_end))
        return "the payload (read-only)";
    return "nothing";
}

/* The start of siginfo_t: a code above 0 is the kernel's own. */
struct information {
    int signal, error, code;
};

static _Noreturn void handle(int signal, const struct information *info,
                             const struct context *c)
{
    struct fault fault = {
        info->code > 0 ? c->vector : FAULT_SENT,
        c->code, c->cr2, c->rip, c->rsp, c->eflags, c->rax,
        c->rbx,    c->rcx,  c->rdx, c->rsi, c->rdi, c->rbp,    c->r8,
        c->r9,     c->r10,  c->r11, c->r12, c->r13, c->r14,    c->r15,
    };
    (void)signal;
    fault_describe(&fault, place);
}

void fault_start(void)
{
    static const int signals[] = {SIGILL, SIGBUS, SIGFPE, SIGSEGV};
    const struct {
        void *start;
        int flags;
        size_t len;
    } stack = {handler_stack, 0, sizeof handler_stack};
    struct action action = {
        .handler = (const void *)handle,
        .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
        .restorer = NULL, /* it does not return */
    };

    linux_call3(SYS_sigaltstack, &stack, 0, 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        linux_call(SYS_rt_sigaction, signals[i], (long)&action, 0, 8, 0, 0);
    /* A reader of the console or a peer that left is an error, not the end. */
    action = (struct action){SIG_IGN, SA_RESTORER, NULL, 0};
    linux_call(SYS_rt_sigaction, SIGPIPE, (long)&action, 0, 8, 0, 0);
}
