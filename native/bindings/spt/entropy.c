/* Entropy: the kernel's generator, by a descriptor opened before sealing. */
#include "process.h"

bool plat_entropy_available(void)
{
    return entropy_fd >= 0;
}

plat_result_t plat_entropy_fill(uint8_t *bytes, size_t len)
{
    while (len > 0) {
        long got = linux_call3(SYS_read, entropy_fd, bytes, len);
        if (got == -LINUX_EINTR)
            continue;
        if (got <= 0)
            return PLAT_UNAVAILABLE;
        bytes += got;
        len -= (size_t)got;
    }
    return PLAT_OK;
}
