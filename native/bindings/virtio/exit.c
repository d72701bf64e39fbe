/* Stopping the machine. */
#include "machine.h"

enum {
    DEBUG_EXIT = 0x501,  /* QEMU's isa-debug-exit: exits with (v << 1) | 1 */
    ACPI_CONTROL = 0x604, /* PM1a control on QEMU's q35 */
    ACPI_SLEEP_S5 = 0x2000,
    KEYBOARD_COMMAND = 0x64,
    KEYBOARD_RESET = 0xfe,
};

/* Tries each way out in turn; a port without a device ignores the write. */
_Noreturn void machine_stop(int status)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};

    console_drain();
    plat_port_write(DEBUG_EXIT, 4, (uint32_t)status);
    plat_port_write(ACPI_CONTROL, 2, ACPI_SLEEP_S5);
    outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    for (;;) /* a fault without handlers resets the processor */
        __asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}

_Noreturn void plat_exit(int status)
{
    machine_stop(status & PLAT_STATUS_MAX);
}
