/*
 * Runs in the Linux machine of bench/devices.ts: what our images do there, with
 * the system's own calls.
 *
 *   linux-devices echo            echoes datagrams on port 7
 *   linux-devices blocks SECONDS  reads and writes /dev/vda past the cache:
 *                                 4 KiB at random, eight at once; 1 MiB in turn
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

enum { SMALL = 4096, LARGE = 1 << 20, DEPTH = 8 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void echo(void)
{
    static char bytes[2048];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at))
        die("port 7");
    printf("ready\n");
    for (;;) {
        socklen_t len = sizeof at;
        ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&at, &len);
        if (n >= 0)
            sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&at, len);
    }
}

/* How many transfers `jobs` processes make in a second. */
static double rate(int fd, uint64_t disk_bytes, size_t len, int jobs, int is_write,
                   double seconds)
{
    uint64_t *counts = mmap(NULL, DEPTH * sizeof *counts, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double from = now();
    uint64_t total = 0;

    for (int job = 0; job < jobs; job++) {
        if (fork() != 0)
            continue;
        uint8_t *bytes = aligned_alloc(SMALL, len);
        uint32_t state = (uint32_t)job + 1;
        memset(bytes, job, len);
        while (now() < from + seconds) {
            state = state * 1664525 + 1013904223;
            uint64_t place = (len == SMALL ? state : counts[job]) % (disk_bytes / len);
            ssize_t n = is_write ? pwrite(fd, bytes, len, (off_t)(place * len))
                                 : pread(fd, bytes, len, (off_t)(place * len));
            if (n != (ssize_t)len)
                die("transfer");
            counts[job]++;
        }
        exit(0);
    }
    while (wait(NULL) > 0)
        ;
    fdatasync(fd);
    for (int job = 0; job < jobs; job++)
        total += counts[job];
    return (double)total / (now() - from);
}

int main(int argc, char **argv)
{
    uint64_t disk_bytes;

    setlinebuf(stdout);
    if (argc == 2 && !strcmp(argv[1], "echo"))
        echo();
    if (argc != 3)
        return 2;
    int fd = open("/dev/vda", O_RDWR | O_DIRECT);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &disk_bytes))
        die("/dev/vda");
    for (int is_large = 0; is_large < 2; is_large++)
        for (int is_write = 0; is_write < 2; is_write++)
            printf("[blocks] %s %s %f\n", is_large ? "large" : "small", is_write ? "write" : "read",
                   rate(fd, disk_bytes, is_large ? LARGE : SMALL, is_large ? 1 : DEPTH, is_write,
                        atof(argv[2])));
    return 0;
}
