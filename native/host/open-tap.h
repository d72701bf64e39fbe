/* Opening a Linux tap, for the programs that hand its frames on. */
#ifndef MIRAGE_OPEN_TAP_H
#define MIRAGE_OPEN_TAP_H

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { VNET_HEADER = 12 }; /* struct virtio_net_hdr_v1 */

/* Asks the kernel for headers and what they are for; true when it agrees. */
static bool enable_offload(int tap)
{
    int len = VNET_HEADER, little_endian = 1;
    return ioctl(tap, TUNSETVNETHDRSZ, &len) == 0 &&
           ioctl(tap, TUNSETVNETLE, &little_endian) == 0 &&
           ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0;
}

/*
 * The tap's descriptor, non-blocking and with flags of open(2), or -1 with
 * errno.  With `wants_offload`, and a kernel that can, *has_headers: in front
 * of each frame is a struct virtio_net_hdr_v1, little-endian; checksums may be
 * left to complete, and TCP frames of up to 64 KiB to cut, both ways.
 */
static int open_tap(const char *name, int flags, bool wants_offload,
                    bool *has_headers)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    unsigned features = 0;
    *has_headers = false;
    if (strlen(name) >= sizeof request.ifr_name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(request.ifr_name, name);

    int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | flags);
    if (tap < 0)
        return -1;
    wants_offload = wants_offload &&
                    ioctl(tap, TUNGETFEATURES, &features) == 0 &&
                    (features & IFF_VNET_HDR);
    if (wants_offload)
        request.ifr_flags |= IFF_VNET_HDR;
    if (ioctl(tap, TUNSETIFF, &request) < 0) {
        int error = errno;
        close(tap);
        errno = error;
        return -1;
    }
    *has_headers = wants_offload && enable_offload(tap);
    if (*has_headers)
        return tap;
    /* An interface that outlives its users keeps what the last one set:
     * frames must come whole, and with their checksums. */
    ioctl(tap, TUNSETOFFLOAD, 0);
    if (!wants_offload)
        return tap;
    close(tap);
    return open_tap(name, flags, false, has_headers);
}

#endif
