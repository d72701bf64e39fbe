/*
 * An interrupt ends plat_yield(), also when it was raised before the call;
 * none is lost or delivered twice.  The source is the serial port's
 * transmitter-empty interrupt, line 4.
 */
#include "test.h"

enum { LINE = 4, INTERRUPT_ENABLE = 0x3f9, INTERRUPT_CAUSE = 0x3fa };

static void raise(void)
{
    plat_port_write(INTERRUPT_ENABLE, 1, 2);
}

static void acknowledge(void)
{
    (void)plat_port_read(INTERRUPT_CAUSE, 1);
    plat_port_write(INTERRUPT_ENABLE, 1, 0);
}

/* Microseconds a wait of at most 300 ms took. */
static uint64_t wait(void)
{
    uint64_t from = plat_clock_monotonic_us();
    plat_yield(from + 300000);
    return plat_clock_monotonic_us() - from;
}

/* What plat_yield() does at last, but the interrupt comes before the hlt. */
static void wait_where_sti_holds_nothing_back(void)
{
    __asm__ volatile("call 1f\n jmp 2f\n"
                     "1: sti\n nop\n hlt\n ud2\n"
                     "2:"
                     :
                     :
                     : "memory");
}

int app_main(const struct plat_start *start)
{
    (void)start;
    check(plat_irq_enable(LINE, false, false) == PLAT_OK);
    check(plat_irq_enable(200, false, false) == PLAT_INVALID);
    check(wait() >= 300000); /* nothing raised */

    for (int i = 0; i < 100; i++) {
        raise();
        check(wait() < 200000);
        acknowledge();
    }
    check(wait() >= 300000); /* nothing left over */

    raise();
    wait_where_sti_holds_nothing_back();
    acknowledge();

    raise();
    plat_yield(UINT64_MAX); /* would never end if the wake-up were lost */
    acknowledge();
    print("SUCCESS\n");
    return 0;
}
