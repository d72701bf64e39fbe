/* Sleeps; the runner watches how much processor time that takes. */
#include "test.h"

int app_main(const struct plat_start *start)
{
    (void)start;
    print("idle\n");
    uint64_t deadline = plat_clock_monotonic_us() + 2000000;
    while (plat_clock_monotonic_us() < deadline)
        plat_yield(deadline);
    print("SUCCESS\n");
    return 0;
}
