/* Console: standard output. */
#include "process.h"

void plat_console_write(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (len > 0) {
        long written = linux_call3(SYS_write, CONSOLE_FD, at, len);
        if (written > 0) {
            at += written;
            len -= (size_t)written;
        } else if (written == -LINUX_EAGAIN) {
            struct linux_pollfd wait = {CONSOLE_FD, LINUX_POLLOUT, 0};
            linux_call(SYS_ppoll, (long)&wait, 1, 0, 0, 8, 0);
        } else if (written != -LINUX_EINTR) {
            return; /* nobody reads it any more */
        }
    }
}
