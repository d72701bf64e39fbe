/*
 * mirage-tap: relays a Linux tap device to a stream socket.
 *
 *   mirage-tap [--offload] IFNAME SOCKET-PATH
 *
 * Opens (creates, when allowed) the tap device, listens on the Unix socket
 * path for one client and prints "ready" when it does.  On the socket each
 * Ethernet frame follows its length, 4 bytes big-endian: the framing of
 * QEMU's -netdev stream.  Frames travel in batches.  A full tap drops
 * frames, as a network does; while the socket is full, frames wait in the
 * queue of the tap, which drops what is too much.  Neither holds up the
 * other direction.
 *
 * With --offload, and a kernel that can, it prints "ready offload" instead,
 * and in front of each frame, counted in its length, is a struct
 * virtio_net_hdr_v1 (12 bytes, little-endian): checksums may be left to
 * complete, and TCP frames of up to 64 KiB to cut, both ways.
 *
 * Ends with status 0 when the client leaves or on SIGTERM or SIGINT, with 1
 * on an error; the socket path is removed in either case.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "open-tap.h"

enum {
    PREFIX = 4,
    FRAME_MAX = VNET_HEADER + 18 + 65535,
    BUFFER = 12 * (PREFIX + FRAME_MAX),
    BATCH = 64, /* frames read from the tap before the socket is written */
};

struct buffer {
    size_t start, end; /* bytes[start, end) are waiting */
    uint8_t bytes[BUFFER];
};

static struct buffer to_socket, to_tap;
static const char *socket_path;
static bool has_headers; /* each frame has a struct virtio_net_hdr_v1 */
static volatile sig_atomic_t stopping;
static sigset_t no_signals; /* blocked, but while waiting in ppoll */

static void remove_socket(void)
{
    if (socket_path)
        unlink(socket_path);
}

static _Noreturn void fail(const char *action, const char *name)
{
    fprintf(stderr, "mirage-tap: cannot %s %s: %s\n", action, name,
            strerror(errno));
    exit(1);
}

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int attach(const char *name, bool wants_offload)
{
    int tap = open_tap(name, O_CLOEXEC, wants_offload, &has_headers);
    if (tap >= 0)
        return tap;
    if (errno == EPERM || errno == EACCES) {
        fprintf(stderr,
                "mirage-tap: no permission to open tap %s: run as root, or "
                "once as root\n  ip tuntap add dev %s mode tap user $USER\n",
                name, name);
        exit(1);
    }
    fail("open tap", name);
}

/* Waits for one client. */
static int accept_client(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat old;
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "mirage-tap: socket path %s is too long\n", path);
        exit(1);
    }
    strcpy(address.sun_path, path);

    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        fail("make a socket for", path);
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode))
        unlink(path); /* left over from an earlier run */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0)
        fail("listen on", path);
    socket_path = path;
    atexit(remove_socket);
    printf(has_headers ? "ready offload\n" : "ready\n");
    fflush(stdout);

    struct pollfd wait = {.fd = listener, .events = POLLIN};
    if (ppoll(&wait, 1, NULL, &no_signals) < 0)
        exit(stopping ? 0 : 1);
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        fail("accept a client on", path);
    close(listener);
    return client;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Moves what waits to the front of the buffer. */
static void compact(struct buffer *b)
{
    memmove(b->bytes, b->bytes + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
}

static bool has_room(const struct buffer *b)
{
    return BUFFER - (b->end - b->start) >= PREFIX + FRAME_MAX;
}

/* Reads a batch of frames, as many as there is room for. */
static void read_tap(int tap)
{
    struct buffer *b = &to_socket;

    for (int i = 0; i < BATCH && has_room(b); i++) {
        if (BUFFER - b->end < PREFIX + FRAME_MAX)
            compact(b);
        ssize_t len = read(tap, b->bytes + b->end + PREFIX, FRAME_MAX);
        if (len < 0 && would_block())
            return;
        if (len < 0)
            fail("read from", "the tap");
        uint32_t prefix = htonl((uint32_t)len);
        memcpy(b->bytes + b->end, &prefix, PREFIX);
        b->end += PREFIX + (size_t)len;
    }
}

/* False when the client has left. */
static bool write_socket(int client)
{
    struct buffer *b = &to_socket;
    ssize_t len = send(client, b->bytes + b->start, b->end - b->start,
                       MSG_NOSIGNAL);
    if (len < 0)
        return would_block();
    b->start += (size_t)len;
    if (b->start == b->end)
        b->start = b->end = 0;
    return true;
}

/* Passes on all complete frames.  False when the client has left. */
static bool read_socket(int client, int tap)
{
    struct buffer *b = &to_tap;
    ssize_t len = recv(client, b->bytes + b->end, BUFFER - b->end, 0);
    if (len < 0)
        return would_block();
    if (len == 0)
        return false;
    b->end += (size_t)len;

    while (b->end - b->start >= PREFIX) {
        uint32_t frame;
        memcpy(&frame, b->bytes + b->start, PREFIX);
        frame = ntohl(frame);
        if (frame > FRAME_MAX) {
            fprintf(stderr,
                    "mirage-tap: the client sent a frame of %u bytes, at most "
                    "%d are allowed\n",
                    frame, FRAME_MAX);
            exit(1);
        }
        if (b->end - b->start < PREFIX + frame)
            break;
        /* A frame the tap refuses (too short, queue full) is dropped. */
        if (write(tap, b->bytes + b->start + PREFIX, frame) < 0 &&
            errno != EINVAL && errno != EIO && errno != ENOBUFS &&
            !would_block())
            fail("write to", "the tap");
        b->start += PREFIX + frame;
    }
    compact(b);
    return true;
}

int main(int argc, char **argv)
{
    bool wants_offload = argc > 1 && strcmp(argv[1], "--offload") == 0;
    if (argc != (wants_offload ? 4 : 3)) {
        fprintf(stderr, "usage: mirage-tap [--offload] IFNAME SOCKET-PATH\n");
        return 2;
    }
    const char *name = argv[argc - 2];
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigemptyset(&no_signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    int tap = attach(name, wants_offload);
    int client = accept_client(argv[argc - 1]);
    while (!stopping) {
        bool pending = to_socket.end > to_socket.start;
        struct pollfd fds[] = {
            {.fd = tap, .events = has_room(&to_socket) ? POLLIN : 0},
            {.fd = client, .events = (short)(POLLIN | (pending ? POLLOUT : 0))},
        };
        if (ppoll(fds, 2, NULL, &no_signals) < 0) {
            if (errno == EINTR)
                continue;
            fail("wait for", name);
        }
        if (fds[0].revents & POLLERR)
            fail("use tap", name);
        if (fds[1].revents & (POLLIN | POLLHUP | POLLERR) &&
            !read_socket(client, tap))
            break;
        if (fds[0].revents & POLLIN)
            read_tap(tap);
        if (to_socket.end > to_socket.start && !write_socket(client))
            break;
    }
    return 0;
}
