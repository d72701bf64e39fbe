/*
 * Network devices: taps, where each system call carries one frame, and stream
 * sockets, where one call carries as many as fit, each after its length in
 * four bytes, big-endian.
 */
#include "process.h"

enum {
    PREFIX = 4,
    /* The longest frame QEMU sends (its NET_BUFSIZE): a greater length means
     * that the peer speaks something else. */
    FRAME_MAX = PLAT_NET_RECEIVE_MIN - PREFIX,
    SPANS_MAX = 64, /* frames in one call to a stream */
    ALIGN = 16,     /* of frames that begin where we say */
};

static struct net {
    const struct device *device;
    bool is_open, is_down;
    bool is_waiting_to_send; /* the last frame did not fit */
    /* Bytes of the next frame to be sent, its prefix included, that are. */
    size_t sent;
    /* What a stream has delivered and we have not, of the bytes it is received
     * into: [taken, end). */
    size_t taken, end;
} nets[DEVICES_MAX];
static SEALED unsigned net_count;

void net_start(void)
{
    for (unsigned i = 0; i < device_count; i++)
        if (devices[i].kind != DEVICE_BLOCK)
            nets[net_count++].device = &devices[i];
}

unsigned net_poll_set(struct linux_pollfd *set)
{
    unsigned count = 0;
    for (unsigned i = 0; i < net_count; i++) {
        const struct net *net = &nets[i];
        if (net->is_open && !net->is_down)
            set[count++] = (struct linux_pollfd){
                net->device->fd,
                net->is_waiting_to_send ? LINUX_POLLIN | LINUX_POLLOUT
                                        : LINUX_POLLIN,
                0};
    }
    return count;
}

unsigned plat_net_count(void)
{
    return net_count;
}

plat_result_t plat_net_open(unsigned index)
{
    if (index >= net_count)
        return PLAT_INVALID;
    nets[index].is_open = true;
    return PLAT_OK;
}

bool plat_net_has_offload(unsigned index)
{
    return index < net_count &&
           nets[index].device->kind == DEVICE_TAP_OFFLOAD;
}

static struct net *usable(unsigned index)
{
    return index < net_count && nets[index].is_open && !nets[index].is_down
               ? &nets[index]
               : NULL;
}

static bool is_passing(long result)
{
    return result == -LINUX_EAGAIN || result == -LINUX_EINTR;
}

static plat_result_t go_down(struct net *net)
{
    net->is_down = true;
    return PLAT_UNAVAILABLE;
}

static plat_result_t receive_tap(struct net *net, uint8_t *bytes, size_t len,
                                 size_t longest, uint32_t *spans, unsigned max,
                                 unsigned *count)
{
    size_t at = 0;
    for (; *count < max && at <= len - longest; ++*count) {
        long got = linux_call3(SYS_read, net->device->fd, bytes + at, longest);
        if (is_passing(got))
            return PLAT_OK;
        if (got < 0) /* the interface is down, or gone */
            return *count > 0 ? PLAT_OK : go_down(net);
        spans[2 * *count] = (uint32_t)at;
        spans[2 * *count + 1] = (uint32_t)(at + (size_t)got);
        at = (at + (size_t)got + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    }
    return PLAT_OK;
}

/* Length of the next whole frame; -1: the rest has not arrived; a length above
 * FRAME_MAX is no frame. */
static int64_t next_frame(const struct net *net, const uint8_t *bytes)
{
    const uint8_t *at = bytes + net->taken;
    if (net->end - net->taken < PREFIX)
        return -1;
    uint32_t len = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
                   (uint32_t)at[2] << 8 | at[3];
    if (len <= FRAME_MAX && net->end - net->taken - PREFIX < len)
        return -1;
    return len;
}

/* At most one call, so that a flood does not keep us here.  Frames stay where
 * they were read. */
static plat_result_t receive_stream(struct net *net, uint8_t *bytes,
                                    size_t len, uint32_t *spans, unsigned max,
                                    unsigned *count)
{
    long got = 0;
    if (net->end > len) /* not the bytes of the last call */
        return go_down(net);
    if (next_frame(net, bytes) < 0) {
        /* There is room for the longest frame when this one begins first. */
        __builtin_memmove(bytes, bytes + net->taken, net->end - net->taken);
        net->end -= net->taken;
        net->taken = 0;
        got = linux_call3(SYS_read, net->device->fd, bytes + net->end,
                          len - net->end);
        if (is_passing(got))
            return PLAT_OK;
        if (got <= 0)
            return go_down(net);
        net->end += (size_t)got;
    }
    while (*count < max) {
        int64_t frame = next_frame(net, bytes);
        if (frame > FRAME_MAX)
            return go_down(net);
        if (frame < 0)
            break;
        net->taken += PREFIX;
        spans[2 * *count] = (uint32_t)net->taken;
        net->taken += (size_t)frame;
        spans[2 * (*count)++ + 1] = (uint32_t)net->taken;
    }
    return PLAT_OK;
}

plat_result_t plat_net_receive(unsigned index, uint8_t *bytes, size_t len,
                               size_t longest, uint32_t *spans, unsigned max,
                               unsigned *count)
{
    struct net *net = usable(index);
    *count = 0;
    if (len < longest || len < PLAT_NET_RECEIVE_MIN)
        return PLAT_INVALID;
    if (!net)
        return PLAT_UNAVAILABLE;
    return net->device->kind == DEVICE_STREAM
               ? receive_stream(net, bytes, len, spans, max, count)
               : receive_tap(net, bytes, len, longest, spans, max, count);
}

static plat_result_t send_tap(struct net *net, const uint8_t *bytes,
                              const uint32_t *spans, unsigned max,
                              unsigned *count)
{
    for (; *count < max; ++*count) {
        uint32_t off = spans[2 * *count], end = spans[2 * *count + 1];
        long result =
            linux_call3(SYS_write, net->device->fd, bytes + off, end - off);
        net->is_waiting_to_send = result == -LINUX_EAGAIN;
        if (is_passing(result))
            return PLAT_OK;
        /* A frame the tap refuses is lost, as on a wire. */
        if (result < 0 && result != -LINUX_EINVAL && result != -LINUX_EIO &&
            result != -LINUX_ENOBUFS)
            return go_down(net);
    }
    return PLAT_OK;
}

static plat_result_t send_stream(struct net *net, uint8_t *bytes,
                                 const uint32_t *spans, unsigned max,
                                 unsigned *count)
{
    struct linux_iovec parts[SPANS_MAX];
    unsigned n = max < SPANS_MAX ? max : SPANS_MAX;

    for (unsigned i = 0; i < n; i++) {
        uint32_t len = spans[2 * i + 1] - spans[2 * i];
        uint8_t *at = bytes + spans[2 * i] - PREFIX;
        at[0] = (uint8_t)(len >> 24);
        at[1] = (uint8_t)(len >> 16);
        at[2] = (uint8_t)(len >> 8);
        at[3] = (uint8_t)len;
        parts[i] = (struct linux_iovec){at, PREFIX + len};
    }
    if (n == 0)
        return PLAT_OK;
    parts[0].start = (const uint8_t *)parts[0].start + net->sent;
    parts[0].len -= net->sent;
    long result = linux_call3(SYS_writev, net->device->fd, parts, n);
    net->is_waiting_to_send = result == -LINUX_EAGAIN;
    if (is_passing(result))
        return PLAT_OK;
    if (result < 0)
        return go_down(net);
    size_t left = (size_t)result;
    for (; *count < n && left >= parts[*count].len; ++*count)
        left -= parts[*count].len;
    net->sent = *count == 0 ? net->sent + left : left;
    net->is_waiting_to_send = *count < n;
    return PLAT_OK;
}

plat_result_t plat_net_send(unsigned index, uint8_t *bytes,
                            const uint32_t *spans, unsigned max,
                            unsigned *count)
{
    struct net *net = usable(index);
    *count = 0;
    if (!net)
        return PLAT_UNAVAILABLE;
    return net->device->kind == DEVICE_STREAM
               ? send_stream(net, bytes, spans, max, count)
               : send_tap(net, bytes, spans, max, count);
}
