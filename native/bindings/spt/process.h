/* Shared by the files of this binding: the order of the start, and the
 * descriptors that the process was given. */
#ifndef MIRAGE_PROCESS_H
#define MIRAGE_PROCESS_H

#include "common.h"
#include "linux.h"

enum { CONSOLE_FD = 1, DEVICES_MAX = 16 };

/* A device that MIRAGE_SPT named. */
struct device {
    enum device_kind {
        DEVICE_TAP,    /* each read or write is one frame */
        DEVICE_TAP_OFFLOAD, /* likewise, behind a struct virtio_net_hdr_v1 */
        DEVICE_STREAM, /* frames after their length, as QEMU's -netdev stream */
        DEVICE_BLOCK,  /* a file */
    } kind;
    bool is_writable; /* a file */
    int fd;
};
extern struct device devices[DEVICES_MAX];
extern unsigned device_count;

/* Filled with the system's random numbers; read while sealed. */
extern int entropy_fd;

/* In the order process_main() calls them. */
void fault_start(void);
void clock_start(const void *vdso);
void net_start(void);
void block_start(void);
void seal(void); /* from here on only the calls in seal.c's table work */

/* For plat_yield(): descriptors that end it. */
unsigned net_poll_set(struct linux_pollfd *set);

extern uint8_t *stack_start, *stack_end, *heap_start, *heap_end, *payload_end;

/* Symbols of link.ld. */
extern char __text_start[], __text_end[], __rodata_end[], __sealed_end[];
extern char __payload[];

#endif
