/* Stopping the machine, and starting it again. */
#include "machine.h"

enum {
    DEBUG_EXIT = 0x501, /* QEMU's isa-debug-exit: exits with (v << 1) | 1 */
    KEYBOARD_COMMAND = 0x64,
    KEYBOARD_RESET = 0xfe,
    STOPS_MAX = 8,
};

/* Longer than a hypervisor takes to heed a write: some 20 ms. */
#define PATIENCE_CYCLES 50000000ull

struct stop {
    uint64_t address;
    uint32_t value;
    uint8_t width; /* 0: none */
    bool is_port;
};

static struct stop stops[STOPS_MAX], reset_by;
static unsigned stop_count;

static bool can_write(bool is_port, uint64_t address, unsigned width)
{
    return is_port ? address <= UINT16_MAX : io_is_device_memory(address, width);
}

plat_result_t plat_stop_by(bool is_port, uint64_t address, unsigned width,
                           uint32_t value)
{
    if (!can_write(is_port, address, width))
        return PLAT_INVALID;
    if (stop_count == STOPS_MAX)
        return PLAT_UNAVAILABLE;
    stops[stop_count++] =
        (struct stop){address, value, (uint8_t)width, is_port};
    return PLAT_OK;
}

plat_result_t plat_reset_by(bool is_port, uint64_t address, uint8_t value)
{
    if (!can_write(is_port, address, 1))
        return PLAT_INVALID;
    reset_by = (struct stop){address, value, 1, is_port};
    return PLAT_OK;
}

static void do_stop(const struct stop *stop)
{
    if (stop->is_port)
        plat_port_write((uint16_t)stop->address, stop->width, stop->value);
    else
        plat_mmio_write(stop->address, stop->width, stop->value);
    for (uint64_t from = rdtsc(); rdtsc() - from < PATIENCE_CYCLES;)
        __asm__ volatile("pause");
}

/* As the firmware says, then what every PC heeds; a port without a device
 * ignores the write. */
static _Noreturn void reset(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};

    if (reset_by.width)
        do_stop(&reset_by);
    outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    for (;;) /* a fault without handlers resets the processor */
        __asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}

/* Tries each way out in turn. */
_Noreturn void machine_stop(int status)
{
    console_drain();
    plat_port_write(DEBUG_EXIT, 4, (uint32_t)status);
    for (unsigned i = 0; i < stop_count; i++)
        do_stop(&stops[i]);
    reset();
}

_Noreturn void plat_exit(int status)
{
    machine_stop(status & PLAT_STATUS_MAX);
}

_Noreturn void plat_restart(int status)
{
    (void)status; /* a host that is told one does not start us again */
    console_drain();
    reset();
}
