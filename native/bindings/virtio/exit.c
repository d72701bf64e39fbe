/* Stopping the machine. */
#include "machine.h"

enum {
    DEBUG_EXIT = 0x501, /* QEMU's isa-debug-exit: exits with (v << 1) | 1 */
    KEYBOARD_COMMAND = 0x64,
    KEYBOARD_RESET = 0xfe,
    STOPS_MAX = 8,
};

/* Longer than a hypervisor takes to heed a write: some 20 ms. */
#define PATIENCE_CYCLES 50000000ull

static struct stop {
    uint64_t address;
    uint32_t value;
    uint8_t width;
    bool is_port;
} stops[STOPS_MAX];
static unsigned stop_count;

plat_result_t plat_stop_by(bool is_port, uint64_t address, unsigned width,
                           uint32_t value)
{
    if (is_port ? address > UINT16_MAX : !io_is_device_memory(address, width))
        return PLAT_INVALID;
    if (stop_count == STOPS_MAX)
        return PLAT_UNAVAILABLE;
    stops[stop_count++] =
        (struct stop){address, value, (uint8_t)width, is_port};
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

/* Tries each way out in turn; a port without a device ignores the write. */
_Noreturn void machine_stop(int status)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};

    console_drain();
    plat_port_write(DEBUG_EXIT, 4, (uint32_t)status);
    for (unsigned i = 0; i < stop_count; i++)
        do_stop(&stops[i]);
    outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    for (;;) /* a fault without handlers resets the processor */
        __asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}

_Noreturn void plat_exit(int status)
{
    machine_stop(status & PLAT_STATUS_MAX);
}
