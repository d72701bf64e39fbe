/* One write of 100,000 bytes; the runner compares every one. */
#include "test.h"

int app_main(const struct plat_start *start)
{
    static uint8_t bytes[100000];
    (void)start;
    for (uint32_t i = 0, state = 1; i < sizeof bytes; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    plat_console_write(bytes, 0);
    plat_console_write(bytes, sizeof bytes);
    return 0;
}
