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

static bool is_device_memory(uint64_t address, unsigned width)
{
    if (address % width != 0 || address >= DEVICE_MEMORY_END)
        return false;
    for (unsigned i = 0; i < ram_range_count; i++)
        if (address >= page_down(ram_ranges[i].start) &&
            address < page_up(ram_ranges[i].end))
            return false;
    return true;
}

plat_result_t plat_mmio_read(uint64_t address, unsigned width, uint32_t *value)
{
    if (!is_device_memory(address, width))
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
    if (!is_device_memory(address, width))
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
