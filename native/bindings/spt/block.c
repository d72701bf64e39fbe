/* Block devices: files of the host. */
#include "process.h"

enum { SEEK_END = 2 };

static SEALED struct disk {
    const struct device *device;
    uint64_t len;
} disks[DEVICES_MAX];
static SEALED unsigned disk_count;

void block_start(void)
{
    for (unsigned i = 0; i < device_count; i++) {
        if (devices[i].kind != DEVICE_BLOCK)
            continue;
        long len = linux_call3(SYS_lseek, devices[i].fd, 0, SEEK_END);
        if (len < 0)
            plat_panic("MIRAGE_SPT: a disk is not an open file");
        disks[disk_count++] = (struct disk){&devices[i], (uint64_t)len};
    }
}

unsigned plat_block_count(void)
{
    return disk_count;
}

plat_result_t plat_block_info(unsigned index, uint64_t *len, bool *is_writable)
{
    if (index >= disk_count)
        return PLAT_INVALID;
    *len = disks[index].len;
    *is_writable = disks[index].device->is_writable;
    return PLAT_OK;
}

static bool is_inside(unsigned index, uint64_t offset, size_t len)
{
    return index < disk_count && offset <= disks[index].len &&
           len <= disks[index].len - offset;
}

static plat_result_t transfer(long call, unsigned index, uint64_t offset,
                              uint8_t *bytes, size_t len)
{
    if (!is_inside(index, offset, len))
        return PLAT_INVALID;
    while (len > 0) {
        long done = linux_call(call, disks[index].device->fd, (long)bytes,
                               (long)len, (long)offset, 0, 0);
        if (done == -LINUX_EINTR)
            continue;
        if (done <= 0) /* an error, or a file that has shrunk */
            return PLAT_UNAVAILABLE;
        bytes += done;
        offset += (size_t)done;
        len -= (size_t)done;
    }
    return PLAT_OK;
}

plat_result_t plat_block_read(unsigned index, uint64_t offset, uint8_t *bytes,
                              size_t len)
{
    return transfer(SYS_pread64, index, offset, bytes, len);
}

plat_result_t plat_block_write(unsigned index, uint64_t offset,
                               const uint8_t *bytes, size_t len)
{
    if (index < disk_count && !disks[index].device->is_writable)
        return PLAT_INVALID;
    return transfer(SYS_pwrite64, index, offset, (uint8_t *)bytes, len);
}

plat_result_t plat_block_flush(unsigned index)
{
    if (index >= disk_count)
        return PLAT_INVALID;
    return linux_call3(SYS_fdatasync, disks[index].device->fd, 0, 0) < 0
               ? PLAT_UNAVAILABLE
               : PLAT_OK;
}
