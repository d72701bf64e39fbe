/*
 * Monotonic time never goes back; wall time follows it.  The runner compares
 * the wall time and the second between the two marks with its own clock.
 */
#include "test.h"

int app_main(const struct plat_start *start)
{
    (void)start;
    uint64_t before = plat_clock_monotonic_us(), first = before;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = plat_clock_monotonic_us();
        check(now >= before);
        before = now;
    }
    check(before > first);
    check(plat_clock_wall_us() - plat_clock_monotonic_us() > 1000000);

    print("wall ");
    print_number(plat_clock_wall_us());
    print("\nmark\n");
    uint64_t from = plat_clock_monotonic_us();
    while (plat_clock_monotonic_us() < from + 1000000)
        ;
    print("mark\nSUCCESS\n");
    return 0;
}
