/*
 * The binding that does nothing: every call aborts.  It links on any machine
 * with a C library, which shows that plat.h is all an application needs.
 */
#include <stdlib.h>

#include "plat.h"

const char plat_target[] = "stub";

void plat_console_write(const void *bytes, size_t len)
{
    (void)bytes, (void)len;
    abort();
}

uint64_t plat_clock_monotonic_us(void)
{
    abort();
}

uint64_t plat_clock_wall_us(void)
{
    abort();
}

void plat_yield(uint64_t deadline_us)
{
    (void)deadline_us;
    abort();
}

plat_result_t plat_irq_enable(unsigned line, bool is_level, bool is_low)
{
    (void)line, (void)is_level, (void)is_low;
    abort();
}

plat_result_t plat_entropy_fill(uint8_t *bytes, size_t len)
{
    (void)bytes, (void)len;
    abort();
}

bool plat_entropy_available(void)
{
    abort();
}

plat_result_t plat_irq_controller(uint64_t address, unsigned first_line)
{
    (void)address, (void)first_line;
    abort();
}

plat_result_t plat_mmio_map(uint64_t address, uint64_t len)
{
    (void)address, (void)len;
    abort();
}

plat_result_t plat_firmware_read(uint64_t address, uint8_t *bytes, size_t len)
{
    (void)address, (void)bytes, (void)len;
    abort();
}

plat_result_t plat_stop_by(bool is_port, uint64_t address, unsigned width,
                           uint32_t value)
{
    (void)is_port, (void)address, (void)width, (void)value;
    abort();
}

plat_result_t plat_reset_by(bool is_port, uint64_t address, uint8_t value)
{
    (void)is_port, (void)address, (void)value;
    abort();
}

plat_result_t plat_irq_message(uint64_t *address, uint32_t *data)
{
    (void)address, (void)data;
    abort();
}

uint64_t plat_dma_address(const void *memory)
{
    (void)memory;
    abort();
}

void plat_barrier(void)
{
    abort();
}

uint32_t plat_port_read(uint16_t port, unsigned width)
{
    (void)port, (void)width;
    abort();
}

void plat_port_write(uint16_t port, unsigned width, uint32_t value)
{
    (void)port, (void)width, (void)value;
    abort();
}

plat_result_t plat_mmio_read(uint64_t address, unsigned width, uint32_t *value)
{
    (void)address, (void)width, (void)value;
    abort();
}

plat_result_t plat_mmio_write(uint64_t address, unsigned width, uint32_t value)
{
    (void)address, (void)width, (void)value;
    abort();
}

_Noreturn void plat_exit(int status)
{
    (void)status;
    abort();
}

_Noreturn void plat_restart(int status)
{
    (void)status;
    abort();
}

_Noreturn void plat_panic(const char *reason)
{
    (void)reason;
    abort();
}

int main(void)
{
    struct plat_start start = {.command_line = ""};
    return app_main(&start);
}
