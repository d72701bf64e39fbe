/*
 * Interrupts and the wait.  Application code runs with interrupts off; they
 * are taken only in trap_wait(), one per wait (trap.S), so nothing is ever
 * re-entered.  What is raised earlier stays pending in the local APIC and ends
 * the next wait at once.
 *
 * Each line has a vector of its own, messages share one: of a vector the local
 * APIC remembers only whether its last interrupt was of a level.  A level line
 * still raised after the acknowledgement becomes pending again: one spurious
 * wake, no lost one.
 */
#include "machine.h"

enum {
    MSR_APIC_BASE = 0x1b,
    APIC_ENABLE = 0x800,

    APIC_ID = 0x20,
    APIC_TASK_PRIORITY = 0x80,
    APIC_SPURIOUS = 0xf0,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_INITIAL_COUNT = 0x380,
    APIC_CURRENT_COUNT = 0x390,
    APIC_DIVIDE = 0x3e0,
    APIC_DIVIDE_BY_16 = 3,
    LVT_MASKED = 0x10000,

    IOAPIC_VERSION = 1,
    IOAPIC_REDIRECTION = 0x10,
    IOAPIC_LEVEL = 0x8000,
    IOAPIC_LOW = 0x2000,
    IOAPIC_ABSENT = 0xffffffff,
    CONTROLLERS_MAX = 8,

    VECTOR_TIMER = 0x20,
    VECTOR_DEVICE = 0x30, /* + line */
    VECTOR_MESSAGE = 0xfe, /* all devices that interrupt by message */
    VECTOR_SPURIOUS = 0xff,
    LINES_MAX = VECTOR_MESSAGE - VECTOR_DEVICE,

    SAMPLE_ATTEMPTS = 3,
    TIMER_MEASURE_US = 500, /* at least */
    TIMER_EXACT_US = 8192,
    TIMER_SHORTER = 64,
};

#define IOAPIC_OF_EVERY_PC 0xfec00000ull

/* Those that were told of. */
static struct controller {
    uint64_t address;
    unsigned first_line;
} controllers[CONTROLLERS_MAX];
static unsigned controller_count;

SEALED volatile uint8_t *irq_lapic; /* used by trap.S */
static uint64_t timer_from_tsc; /* when it began to count down */
static uint64_t timer_per_us_32;       /* its counts per 2^32 microseconds */
volatile uint8_t irq_device_raised; /* set by trap.S */

extern char trap_device[], trap_timer[], trap_spurious[];
void trap_wait(void);

static void lapic_write(unsigned at, uint32_t value)
{
    *(volatile uint32_t *)(irq_lapic + at) = value;
}

static uint32_t lapic_read(unsigned at)
{
    return *(volatile uint32_t *)(irq_lapic + at);
}

static uint32_t ioapic_read(uint64_t base, unsigned at)
{
    *(volatile uint32_t *)base = at;
    return *(volatile uint32_t *)(base + 0x10);
}

static void ioapic_write(uint64_t base, unsigned at, uint32_t value)
{
    *(volatile uint32_t *)base = at;
    *(volatile uint32_t *)(base + 0x10) = value;
}

static unsigned ioapic_line_count(uint64_t base)
{
    return (ioapic_read(base, IOAPIC_VERSION) >> 16 & 0xff) + 1;
}

static void lapic_start(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_ENABLE;
    wrmsr(MSR_APIC_BASE, base);
    irq_lapic = (volatile uint8_t *)page_down(base & 0xffffffffffull);

    lapic_write(APIC_TASK_PRIORITY, 0);
    lapic_write(APIC_LVT_LINT0, LVT_MASKED);
    lapic_write(APIC_LVT_LINT1, LVT_MASKED);
    lapic_write(APIC_LVT_ERROR, LVT_MASKED);
    lapic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    lapic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    lapic_write(APIC_DIVIDE, APIC_DIVIDE_BY_16);
}

static void timer_count_down(void)
{
    timer_from_tsc = rdtsc();
    lapic_write(APIC_INITIAL_COUNT, UINT32_MAX);
}

/* How fast the timer counts, by the clock: since the start, when it is first
 * needed. */
static void measure_timer(void)
{
    uint64_t us = 0;
    uint32_t left = 0;
    bool was_started_again = false;

    while (us < TIMER_MEASURE_US) {
        uint64_t best_width = UINT64_MAX;
        for (int i = 0; i < SAMPLE_ATTEMPTS; i++) {
            uint64_t before = rdtsc();
            uint32_t count = lapic_read(APIC_CURRENT_COUNT);
            uint64_t width = rdtsc() - before;
            if (width >= best_width)
                continue;
            best_width = width;
            left = count;
            us = clock_us_between(timer_from_tsc, before + width / 2);
        }
        if (left == 0 && !was_started_again) { /* it ended long ago */
            timer_count_down();
            was_started_again = true;
            us = 0;
        }
    }
    timer_per_us_32 = ((uint64_t)(UINT32_MAX - left) << 32) / us;
    if (left == 0 || !timer_per_us_32)
        plat_panic("the local APIC's timer does not run");
    lapic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

void irq_start(void)
{
    outb(0x21, 0xff); /* the two legacy controllers: everything masked */
    outb(0xa1, 0xff);

    fault_gate(VECTOR_TIMER, trap_timer, 0);
    fault_gate(VECTOR_MESSAGE, trap_device, 0);
    fault_gate(VECTOR_SPURIOUS, trap_spurious, 0);
    for (unsigned i = 0; i < LINES_MAX; i++)
        fault_gate(VECTOR_DEVICE + i, trap_device, 0);

    lapic_start();
    timer_count_down();
}

plat_result_t plat_irq_controller(uint64_t address, unsigned first_line)
{
    if (first_line >= LINES_MAX || address % 16 ||
        !paging_is_device(address, address + 32) ||
        ioapic_read(address, IOAPIC_VERSION) == IOAPIC_ABSENT)
        return PLAT_INVALID;
    if (controller_count == CONTROLLERS_MAX)
        return PLAT_UNAVAILABLE;
    controllers[controller_count++] = (struct controller){address, first_line};
    return PLAT_OK;
}

plat_result_t plat_irq_enable(unsigned line, bool is_level, bool is_low)
{
    /* Not as an initial value: the file would then hold all zeros before it. */
    if (controller_count == 0)
        controllers[controller_count++].address = IOAPIC_OF_EVERY_PC;
    for (unsigned i = 0; i < controller_count && line < LINES_MAX; i++) {
        uint64_t base = controllers[i].address;
        unsigned at = line - controllers[i].first_line;
        if (line < controllers[i].first_line || at >= ioapic_line_count(base))
            continue;
        ioapic_write(base, IOAPIC_REDIRECTION + 2 * at + 1,
                     lapic_read(APIC_ID) & 0xff000000);
        ioapic_write(base, IOAPIC_REDIRECTION + 2 * at,
                     (VECTOR_DEVICE + line) | (is_level ? IOAPIC_LEVEL : 0) |
                         (is_low ? IOAPIC_LOW : 0));
        return PLAT_OK;
    }
    return PLAT_INVALID;
}

/* To this processor, fixed, edge triggered (Intel SDM volume 3, "Message
 * Signalled Interrupts"). */
plat_result_t plat_irq_message(uint64_t *address, uint32_t *data)
{
    *address = 0xfee00000 | (lapic_read(APIC_ID) & 0xff000000) >> 12;
    *data = VECTOR_MESSAGE;
    return PLAT_OK;
}

/* Arms the one-shot timer.  Far deadlines are reached in several steps: it was
 * not measured for long, and would be late. */
static void arm(uint64_t wait_us)
{
    uint64_t count = 0;
    if (!timer_per_us_32)
        measure_timer();
    if (wait_us != UINT64_MAX) {
        uint64_t limit = (1ull << 63) / timer_per_us_32;
        if (wait_us > TIMER_EXACT_US)
            wait_us -= wait_us / TIMER_SHORTER;
        if (wait_us > limit)
            wait_us = limit;
        count = (wait_us * timer_per_us_32 >> 32) + 1;
    }
    lapic_write(APIC_INITIAL_COUNT, (uint32_t)count);
}

void plat_yield(uint64_t deadline_us)
{
    uint64_t now;

    irq_device_raised = 0;
    while (!irq_device_raised &&
           (now = plat_clock_monotonic_us()) < deadline_us) {
        uint64_t due_us = clock_due_us();
        uint64_t until_us = due_us < deadline_us ? due_us : deadline_us;
        arm(until_us == UINT64_MAX ? UINT64_MAX
            : until_us > now       ? until_us - now
                                   : 1);
        trap_wait();
    }
}
