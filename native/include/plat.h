/*
 * plat.h: the ABI between an application (normally engine/) and the machine
 * it runs on (bindings/<target>/).
 *
 * Conventions
 *
 *   Units      Sizes and offsets are bytes.  Times are microseconds, unsigned
 *              64-bit; monotonic time counts from boot.
 *   Ownership  A pointer passed in is only used during the call.  A pointer
 *              handed out by the binding stays valid for ever.
 *   Blocking   Only plat_yield() and plat_console_write() may block.
 *   Errors     A call that can fail for a reason outside the program returns
 *              plat_result_t.  Everything else is the caller's contract: the
 *              binding may panic when it is broken, and the caller must not
 *              rely on it doing so.  There is no errno.
 *   Memory     The binding allocates nothing after app_main() has begun.
 *   Reentrancy None: one processor, one thread, interrupts are taken only
 *              inside plat_yield(), and the binding never calls back.
 *
 * PLAT_ABI_VERSION grows when a call changes meaning or goes away; adding a
 * call does not change it.
 */
#ifndef MIRAGE_PLAT_H
#define MIRAGE_PLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAT_ABI_VERSION 2

typedef enum {
    PLAT_OK = 0,
    PLAT_UNAVAILABLE = 1, /* this machine has no such device */
    PLAT_INVALID = 2,     /* the address or number names nothing usable */
} plat_result_t;

/* Exit statuses with a fixed meaning; programs use 0 to 123. */
#define PLAT_STATUS_OUT_OF_MEMORY 124
#define PLAT_STATUS_UNCAUGHT 125 /* uncaught exception or rejection */
#define PLAT_STATUS_PANIC 126    /* processor fault, panic, bad image */
#define PLAT_STATUS_MAX 127

#define PLAT_MEMORY_RANGES 4

/* A range of memory that belongs to the application: mapped, writable, never
 * executable, 4096-aligned.  Its contents are undefined, not zero. */
struct plat_range {
    uint8_t *start;
    size_t len;
};

struct plat_start {
    /* OUT: as given by the hypervisor, zero-terminated, at most 4095 bytes. */
    const char *command_line;
    /* OUT: read-only; payload_len is the page-rounded extent that is mapped,
     * at least sizeof(struct payload_header). */
    const uint8_t *payload;
    size_t payload_len;
    /* OUT: the memory left for the application. */
    struct plat_range memory[PLAT_MEMORY_RANGES];
    unsigned memory_count;
    /* OUT: memory the hypervisor gave to the machine, and the stack. */
    size_t total_bytes;
    size_t stack_bytes;
    /* OUT: a copy of the firmware's root pointer, PLAT_ACPI_ROOT_BYTES, where
     * the loader tells of one; else NULL. */
    const uint8_t *acpi_root;
};

/* ACPI 6.5, section 5.2.5.3: the RSDP.  The older one is shorter; what follows
 * it is then undefined. */
#define PLAT_ACPI_ROOT_BYTES 36

/* Name of the target, such as "virtio". */
extern const char plat_target[];

/*
 * The application's entry, called once.  The returned value is its exit
 * status.
 */
int app_main(const struct plat_start *start);

/*
 * Write len bytes to the console, exactly, in order.  Blocks until the device
 * has taken them; short writes do not happen.  A machine without a console
 * discards them.
 */
void plat_console_write(const void *bytes, size_t len);

/* Microseconds since boot; never goes back. */
uint64_t plat_clock_monotonic_us(void);

/*
 * Microseconds since 1970-01-01 UTC: a clock read once (resolution one second,
 * or better where the hypervisor offers it) plus monotonic time.  0 at boot when
 * the machine has no such clock.
 */
uint64_t plat_clock_wall_us(void);

/*
 * Sleep until deadline_us (monotonic; UINT64_MAX: none) has passed or an
 * enabled interrupt line was raised, whichever is first.  An interrupt raised
 * since the last call ends the call at once, so a caller that looks at its
 * rings and then yields loses no wake-up.  It may return early for no reason;
 * it does not return late by more than about a millisecond.  The processor is
 * halted meanwhile.
 */
void plat_yield(uint64_t deadline_us);

/*
 * An I/O APIC with its registers at `address`, whose lines are those from
 * first_line on.  Where none was told of when a line is first enabled, there is
 * the one that every PC has: at 0xfec00000, from line 0 on (MultiProcessor
 * Specification 1.4, section 3.6.6).  PLAT_INVALID when there cannot be one; PLAT_UNAVAILABLE
 * when there are too many, or none can be told of here.
 */
plat_result_t plat_irq_controller(uint64_t address, unsigned first_line);

/*
 * Let interrupt line `line` (a GSI) end plat_yield(); is_level and is_low say
 * how the device raises it.  May be called again.  A level-triggered line that
 * is not acknowledged at the device ends every plat_yield().  PLAT_INVALID when
 * the machine has no such line.
 */
plat_result_t plat_irq_enable(unsigned line, bool is_level, bool is_low);

/*
 * What a device that interrupts by message (MSI, MSI-X) must write, and where;
 * it ends plat_yield() like a line.  OUT: *address, *data.  PLAT_UNAVAILABLE on
 * a machine without such interrupts.
 */
plat_result_t plat_irq_message(uint64_t *address, uint32_t *data);

/*
 * Fill len bytes from the processor's random number generator.
 * PLAT_UNAVAILABLE when it has none or it keeps failing; the bytes are then
 * undefined.
 */
plat_result_t plat_entropy_fill(uint8_t *bytes, size_t len);

/* True when the processor has a random number generator. */
bool plat_entropy_available(void);

/* Address a device uses to reach memory owned by the application. */
uint64_t plat_dma_address(const void *memory);

/* Order all earlier memory accesses before all later ones, for devices too. */
void plat_barrier(void);

/* Port I/O of exactly width (1, 2 or 4) bytes. */
uint32_t plat_port_read(uint16_t port, unsigned width);
void plat_port_write(uint16_t port, unsigned width, uint32_t value);

/*
 * Device memory access of exactly width (1, 2 or 4) bytes.  PLAT_INVALID,
 * with nothing accessed, when the address is not a multiple of width or is
 * not device memory: ordinary memory is never reachable this way.
 */
plat_result_t plat_mmio_read(uint64_t address, unsigned width, uint32_t *value);
plat_result_t plat_mmio_write(uint64_t address, unsigned width, uint32_t value);

/*
 * Make device memory [address, address + len) reachable by the two calls above
 * and the one below.  All of it below 4 GiB is from the start; what is beyond
 * must be asked for, and can be in a few places only.  PLAT_INVALID when some
 * of it is RAM or beyond what the processor can address; PLAT_UNAVAILABLE when
 * there is no more room for it.
 */
plat_result_t plat_mmio_map(uint64_t address, uint64_t len);

/*
 * Copy len octets of what the firmware left in memory that is not RAM, one by
 * one.  PLAT_INVALID, with nothing copied, when some of it is RAM or cannot be
 * reached.
 */
plat_result_t plat_firmware_read(uint64_t address, uint8_t *bytes, size_t len);

/*
 * A write that turns the machine off, as the firmware tells.  Those told of are
 * done in their order when the machine stops, after what can tell the host its
 * status.  PLAT_INVALID when there is no such register; PLAT_UNAVAILABLE when
 * there are too many, or none is needed here.
 */
plat_result_t plat_stop_by(bool is_port, uint64_t address, unsigned width,
                           uint32_t value);

/*
 * The write of one byte that resets the machine, as the firmware tells: for
 * plat_restart(), and for a machine that cannot be turned off.  There is one;
 * the last told of counts.  Results as above.
 */
plat_result_t plat_reset_by(bool is_port, uint64_t address, uint8_t value);

/*
 * Network devices that the host hands over ready for use, which exist where
 * there is no bus to find devices on (target spt).  They carry Ethernet frames
 * without checksum, one call for many frames.
 */
unsigned plat_net_count(void);

/* Let arriving frames end plat_yield(), and the calls below work.  PLAT_INVALID
 * when there is no such device. */
plat_result_t plat_net_open(unsigned index);

/* True when a struct virtio_net_hdr_v1 (12 bytes, little-endian) is part of
 * each frame, in front: checksums may be left to complete and TCP frames to
 * cut, both ways. */
bool plat_net_has_offload(unsigned index);

/*
 * Take up to max frames without blocking: frame i is bytes[spans[2 * i],
 * spans[2 * i + 1]), one behind the other.  A device may stop when fewer than
 * `longest` bytes of len are left, and keeps no more of a longer frame.  The
 * frames may be changed; but the rest of bytes belongs to the device until it
 * is closed, for a part of a frame may wait in it: pass the same at each call.
 * OUT: *count.  PLAT_UNAVAILABLE when the device has gone, and then for ever;
 * PLAT_INVALID when len is less than longest or PLAT_NET_RECEIVE_MIN.
 */
plat_result_t plat_net_receive(unsigned index, uint8_t *bytes, size_t len,
                               size_t longest, uint32_t *spans, unsigned max,
                               unsigned *count);

/* The longest frame of any device, and its length in front. */
#define PLAT_NET_RECEIVE_MIN (4 + 4096 + 65536)

/* Room that plat_net_send() needs in front of each frame; it is overwritten. */
#define PLAT_NET_HEADROOM 4

/*
 * Send up to max frames without blocking: frame i is bytes[spans[2 * i],
 * spans[2 * i + 1]).  OUT: *count, those that were taken; the others must be
 * offered again, first and unchanged.  The next plat_yield() ends when the
 * device takes frames again.  Results as above.
 */
plat_result_t plat_net_send(unsigned index, uint8_t *bytes,
                            const uint32_t *spans, unsigned max,
                            unsigned *count);

/*
 * Block devices that the host hands over, likewise.  Offsets and lengths need
 * no alignment.  The calls block like a disk.  PLAT_INVALID outside of the
 * device, or when it cannot be written; PLAT_UNAVAILABLE when the host failed,
 * and then an unknown part was done.
 */
unsigned plat_block_count(void);
plat_result_t plat_block_info(unsigned index, uint64_t *len, bool *is_writable);
plat_result_t plat_block_read(unsigned index, uint64_t offset, uint8_t *bytes,
                              size_t len);
plat_result_t plat_block_write(unsigned index, uint64_t offset,
                               const uint8_t *bytes, size_t len);
/* Returns when everything written is durable. */
plat_result_t plat_block_flush(unsigned index);

/* Stop the machine with a status of 0 to PLAT_STATUS_MAX.  Does not return. */
_Noreturn void plat_exit(int status);

/*
 * Start the machine again, with nothing left of this run, after the console has
 * taken all.  Where only the host can start again, stop with `status` (0 to
 * PLAT_STATUS_MAX) for it to know; a machine that resets itself tells nobody.
 * Does not return.
 */
_Noreturn void plat_restart(int status);

/* Write "panic: " and a sentence to the console, exit PLAT_STATUS_PANIC. */
_Noreturn void plat_panic(const char *reason);

#endif
