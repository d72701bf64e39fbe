/* Port and device memory access, for drivers. */
#include "machine.h"

uint32_t plat_port_read(uint16_t port, unsigned width)
{
    uint32_t value = 0;
    switch (width) {
    case 1:
        return inb(port);
    case 2:
        __asm__ volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port) : "memory");
        return value & 0xffff;
    default:
        __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
        return value;
    }
}

void plat_port_write(uint16_t port, unsigned width, uint32_t value)
{
    switch (width) {
    case 1:
        outb(port, (uint8_t)value);
        break;
    case 2:
        __asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port) : "memory");
        break;
    default:
        __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port) : "memory");
    }
}

bool io_is_device_memory(uint64_t address, unsigned width)
{
    return address % width == 0 && paging_is_device(address, address + width);
}

plat_result_t plat_firmware_read(uint64_t address, uint8_t *bytes, size_t len)
{
    if (address > DEVICE_ADDRESS_END || len > DEVICE_ADDRESS_END - address ||
        !paging_is_device(address, address + len))
        return PLAT_INVALID;
    for (size_t i = 0; i < len; i++)
        bytes[i] = ((volatile const uint8_t *)address)[i];
    return PLAT_OK;
}

plat_result_t plat_mmio_read(uint64_t address, unsigned width, uint32_t *value)
{
    if (!io_is_device_memory(address, width))
        return PLAT_INVALID;
    switch (width) {
    case 1:
        *value = *(volatile uint8_t *)address;
        break;
    case 2:
        *value = *(volatile uint16_t *)address;
        break;
    default:
        *value = *(volatile uint32_t *)address;
    }
    return PLAT_OK;
}

plat_result_t plat_mmio_write(uint64_t address, unsigned width, uint32_t value)
{
    if (!io_is_device_memory(address, width))
        return PLAT_INVALID;
    switch (width) {
    case 1:
        *(volatile uint8_t *)address = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)address = (uint16_t)value;
        break;
    default:
        *(volatile uint32_t *)address = value;
    }
    return PLAT_OK;
}

uint64_t plat_dma_address(const void *memory)
{
    return (uint64_t)memory; /* identity map */
}

void plat_barrier(void)
{
    __asm__ volatile("mfence" : : : "memory");
}
