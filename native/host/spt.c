/*
 * mirage-spt: starts an image of target spt as a process that has been given
 * its devices, open.
 *
 *   mirage-spt [--mem MIB] [--net tap:NAME | --net stream:PATH]...
 *              [--block FILE | --block-ro FILE]... IMAGE [ARGUMENT]...
 *
 * The devices of each kind are numbered in the order they are named.  What it
 * passes on is in bindings/spt/process.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char given[1024];

static _Noreturn void fail(const char *action, const char *name)
{
    fprintf(stderr, "mirage-spt: cannot %s %s: %s\n", action, name,
            strerror(errno));
    exit(1);
}

static void give(const char *kind, long number)
{
    size_t len = strlen(given);
    int more = snprintf(given + len, sizeof given - len, " %s=%ld", kind,
                        number);
    if (more < 0 || (size_t)more >= sizeof given - len) {
        fprintf(stderr, "mirage-spt: too many devices\n");
        exit(2);
    }
}

static int open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (fd < 0)
        fail("open", "/dev/net/tun");
    if (strlen(name) >= sizeof request.ifr_name) {
        errno = ENAMETOOLONG;
        fail("attach to tap", name);
    }
    strcpy(request.ifr_name, name);
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        fail("attach to tap", name);
    /* An interface that outlives its users keeps what the last one set:
     * frames must come whole, and with their checksums. */
    ioctl(fd, TUNSETOFFLOAD, 0);
    return fd;
}

static int open_stream(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail("connect to", path);
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        fail("connect to", path);
    return fd;
}

static void open_net(const char *text)
{
    if (!strncmp(text, "tap:", 4)) {
        give("tap", open_tap(text + 4));
    } else if (!strncmp(text, "stream:", 7)) {
        give("stream", open_stream(text + 7));
    } else {
        fprintf(stderr, "mirage-spt: cannot read --net %s: expected tap:NAME "
                        "or stream:PATH\n", text);
        exit(2);
    }
}

static int open_file(const char *path, int mode)
{
    int fd = open(path, mode);
    if (fd < 0)
        fail("open", path);
    return fd;
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        const char *option = argv[i] + 2, *value = argv[i + 1];
        if (!strcmp(option, "mem"))
            give("mem", strtol(value, NULL, 10));
        else if (!strcmp(option, "net"))
            open_net(value);
        else if (!strcmp(option, "block"))
            give("disk", open_file(value, O_RDWR));
        else if (!strcmp(option, "block-ro"))
            give("disk-ro", open_file(value, O_RDONLY));
        else
            break;
    }
    if (i >= argc || !strncmp(argv[i], "--", 2)) {
        fprintf(stderr, "usage: mirage-spt [--mem MIB] [--net tap:NAME | --net "
                        "stream:PATH]... [--block FILE | --block-ro FILE]... "
                        "IMAGE [ARGUMENT]...\n");
        return 2;
    }
    if (setenv("MIRAGE_SPT", given, 1) < 0)
        fail("set", "MIRAGE_SPT");
    execv(argv[i], argv + i);
    fail("start", argv[i]);
}
