/* Random bytes differ, reach exactly the bytes asked for, and vary in every
 * position; the stack protector's value, which is printed, is of the kind. */
#include "test.h"

int app_main(const struct plat_start *start)
{
    static uint8_t a[67], b[67], seen[67];
    uint64_t canary;
    (void)start;

    __asm__("mov %%fs:0x28, %0" : "=r"(canary));
    check((canary & 0xff) == 0 && canary != 0); /* 0 stops a string */
    print("canary ");
    print_number(canary);
    print("\n");
    check(plat_entropy_available());
    for (size_t len = 0; len <= 64; len++) {
        a[len] = 0xa5;
        check(plat_entropy_fill(a, len) == PLAT_OK);
        check(a[len] == 0xa5);
    }
    check(plat_entropy_fill(b, 64) == PLAT_OK);
    size_t same = 0;
    for (int i = 0; i < 64; i++)
        same += a[i] == b[i];
    check(same < 16);
    for (int round = 0; round < 64; round++) {
        check(plat_entropy_fill(a, 67) == PLAT_OK);
        for (int i = 0; i < 67; i++)
            seen[i] |= a[i];
    }
    for (int i = 0; i < 67; i++)
        check(seen[i] == 0xff);
    print("SUCCESS\n");
    return 0;
}
