/* plat_yield() ends at its deadline: not before, and not much later. */
#include "test.h"

int app_main(const struct plat_start *start)
{
    static const uint64_t sleeps_us[] = {1,     100,    1000,  3000,
                                         20000, 150000, 700000};
    uint64_t now;
    (void)start;

    plat_yield(0); /* passed already */
    for (size_t i = 0; i < sizeof sleeps_us / sizeof *sleeps_us; i++) {
        uint64_t best = UINT64_MAX;
        for (int attempt = 0; attempt < 3; attempt++) {
            uint64_t deadline = plat_clock_monotonic_us() + sleeps_us[i];
            do
                plat_yield(deadline);
            while ((now = plat_clock_monotonic_us()) < deadline);
            if (now - deadline < best)
                best = now - deadline;
        }
        print("slept ");
        print_number(sleeps_us[i]);
        print(" us, late by ");
        print_number(best);
        print(" us\n");
        check(best < 2000); /* the best of 3, on a shared machine */
    }
    print("SUCCESS\n");
    return 0;
}
