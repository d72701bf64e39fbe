/*
 * mirage-spt: starts an image of target spt as a process that has been given
 * its devices, open.
 *
 *   mirage-spt [--mem MIB] [--net tap:NAME | --net plain-tap:NAME |
 *              --net stream:PATH]... [--block FILE | --block-ro FILE]...
 *              IMAGE [ARGUMENT]...
 *
 * The devices of each kind are numbered in the order they are named.  A tap
 * leaves checksums and the cutting of large frames to the kernel, and takes
 * them from it, where the kernel can; a plain tap does not.  What is passed on
 * is in bindings/spt/process.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "open-tap.h"

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

static void give_tap(const char *name, bool wants_offload)
{
    bool has_headers;
    int fd = open_tap(name, 0, wants_offload, &has_headers);
    if (fd < 0)
        fail("open tap", name);
    give(has_headers ? "tap-offload" : "tap", fd);
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
        give_tap(text + 4, true);
    } else if (!strncmp(text, "plain-tap:", 10)) {
        give_tap(text + 10, false);
    } else if (!strncmp(text, "stream:", 7)) {
        give("stream", open_stream(text + 7));
    } else {
        fprintf(stderr, "mirage-spt: cannot read --net %s: expected tap:NAME, "
                        "plain-tap:NAME or stream:PATH\n", text);
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
                        "plain-tap:NAME | --net stream:PATH]... [--block FILE | --block-ro FILE]... "
                        "IMAGE [ARGUMENT]...\n");
        return 2;
    }
    if (setenv("MIRAGE_SPT", given, 1) < 0)
        fail("set", "MIRAGE_SPT");
    execv(argv[i], argv + i);
    fail("start", argv[i]);
}
