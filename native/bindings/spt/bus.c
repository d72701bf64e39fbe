/* A process has no buses: no ports, no device memory, no interrupt lines. */
#include "process.h"

uint32_t plat_port_read(uint16_t port, unsigned width)
{
    (void)port;
    return UINT32_MAX >> (32 - 8 * width); /* what an absent port reads */
}

void plat_port_write(uint16_t port, unsigned width, uint32_t value)
{
    (void)port, (void)width, (void)value;
}

plat_result_t plat_mmio_read(uint64_t address, unsigned width, uint32_t *value)
{
    (void)address, (void)width, (void)value;
    return PLAT_INVALID;
}

plat_result_t plat_mmio_write(uint64_t address, unsigned width, uint32_t value)
{
    (void)address, (void)width, (void)value;
    return PLAT_INVALID;
}

plat_result_t plat_irq_enable(unsigned line, bool is_level, bool is_low)
{
    (void)line, (void)is_level, (void)is_low;
    return PLAT_INVALID;
}

plat_result_t plat_irq_controller(uint64_t address, unsigned first_line)
{
    (void)address, (void)first_line;
    return PLAT_UNAVAILABLE;
}

plat_result_t plat_mmio_map(uint64_t address, uint64_t len)
{
    (void)address, (void)len;
    return PLAT_INVALID;
}

plat_result_t plat_firmware_read(uint64_t address, uint8_t *bytes, size_t len)
{
    (void)address, (void)bytes, (void)len;
    return PLAT_INVALID;
}

plat_result_t plat_stop_by(bool is_port, uint64_t address, unsigned width,
                           uint32_t value)
{
    (void)is_port, (void)address, (void)width, (void)value;
    return PLAT_UNAVAILABLE;
}

plat_result_t plat_reset_by(bool is_port, uint64_t address, uint8_t value)
{
    (void)is_port, (void)address, (void)value;
    return PLAT_UNAVAILABLE;
}

plat_result_t plat_irq_message(uint64_t *address, uint32_t *data)
{
    (void)address, (void)data;
    return PLAT_UNAVAILABLE;
}

uint64_t plat_dma_address(const void *memory)
{
    return (uint64_t)memory;
}

void plat_barrier(void)
{
    __asm__ volatile("mfence" : : : "memory");
}
