/*
 * Floating point: the state a program starts with, that it is kept while the
 * machine sleeps and takes interrupts, and that exceptions stay masked, or are
 * reported when a program unmasks them ("unmasked" on the command line).
 */
#include "test.h"

enum { MXCSR_DEFAULT = 0x1f80, MXCSR_DOWN = 0x2000, X87_DEFAULT = 0x37f };
enum { MXCSR_FLAGS = 0x3f, MXCSR_MASK_DIVIDE = 0x200 };

static uint32_t mxcsr(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void set_mxcsr(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static uint16_t x87_control(void)
{
    uint16_t value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void sleep_ms(uint64_t count)
{
    uint64_t deadline = plat_clock_monotonic_us() + 1000 * count;
    while (plat_clock_monotonic_us() < deadline)
        plat_yield(deadline);
}

/* Values kept on the x87 stack over a sleep: no code of ours touches it. */
static double x87_sum(void)
{
    double result;
    __asm__ volatile("fninit; fld1; fldpi; fldl2e");
    sleep_ms(5);
    __asm__ volatile("faddp; faddp; fstpl %0" : "=m"(result));
    return result;
}

int app_main(const struct plat_start *start)
{
    volatile double zero = 0, one = 1, three = 3, tiny = 0x1p-1074;

    check((mxcsr() & ~(uint32_t)MXCSR_FLAGS) == MXCSR_DEFAULT);
    check(x87_control() == X87_DEFAULT);
    check(bits_of(one / zero) == 0x7ff0000000000000); /* infinity */
    check(zero / zero != zero / zero);
    check(bits_of(tiny) == 1 && bits_of(tiny + tiny) == 2); /* no flush to 0 */
    check(bits_of(one / three) == 0x3fd5555555555555);

    set_mxcsr(MXCSR_DEFAULT | MXCSR_DOWN);
    check(bits_of(-one / three) == 0xbfd5555555555556);
    for (int i = 0; i < 20; i++) {
        sleep_ms(1);
        check((mxcsr() & ~(uint32_t)MXCSR_FLAGS) ==
              (MXCSR_DEFAULT | MXCSR_DOWN));
    }
    check(bits_of(-one / three) == 0xbfd5555555555556);
    set_mxcsr(MXCSR_DEFAULT);

    double sum = x87_sum();
    check(sum > 5.58428 && sum < 5.58429); /* 1 + pi + log2(e) */

    if (asked_for(start, "unmasked")) {
        set_mxcsr(MXCSR_DEFAULT & ~(uint32_t)MXCSR_MASK_DIVIDE);
        one = one / zero;
        print("still alive\n");
        return 1;
    }
    print("SUCCESS\n");
    return 0;
}
