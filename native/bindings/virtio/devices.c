/* Devices are found on buses here, by drivers: none is handed over. */
#include "plat.h"

unsigned plat_net_count(void)
{
    return 0;
}

plat_result_t plat_net_open(unsigned index)
{
    (void)index;
    return PLAT_INVALID;
}

bool plat_net_has_offload(unsigned index)
{
    (void)index;
    return false;
}

plat_result_t plat_net_receive(unsigned index, uint8_t *bytes, size_t len,
                               size_t longest, uint32_t *spans, unsigned max,
                               unsigned *count)
{
    (void)index, (void)bytes, (void)len, (void)longest, (void)spans, (void)max;
    *count = 0;
    return PLAT_UNAVAILABLE;
}

plat_result_t plat_net_send(unsigned index, uint8_t *bytes,
                            const uint32_t *spans, unsigned max,
                            unsigned *count)
{
    (void)index, (void)bytes, (void)spans, (void)max;
    *count = 0;
    return PLAT_UNAVAILABLE;
}

unsigned plat_block_count(void)
{
    return 0;
}

plat_result_t plat_block_info(unsigned index, uint64_t *len, bool *is_writable)
{
    (void)index, (void)len, (void)is_writable;
    return PLAT_INVALID;
}

plat_result_t plat_block_read(unsigned index, uint64_t offset, uint8_t *bytes,
                              size_t len)
{
    (void)index, (void)offset, (void)bytes, (void)len;
    return PLAT_INVALID;
}

plat_result_t plat_block_write(unsigned index, uint64_t offset,
                               const uint8_t *bytes, size_t len)
{
    (void)index, (void)offset, (void)bytes, (void)len;
    return PLAT_INVALID;
}

plat_result_t plat_block_flush(unsigned index)
{
    (void)index;
    return PLAT_INVALID;
}
