/* Of 'mirage:native': what drivers need of the machine. */
#include <string.h>

#include "arguments.h"
#include "engine.h"
#include "heap.h"
#include "module.h"

/* Buffers made by dmaAlloc: the only ones whose address JavaScript gets. */
static struct dma_buffer {
    uint8_t *start;
    size_t len;
} *dma_buffers;
static size_t dma_count, dma_room;

static bool remember_dma_buffer(uint8_t *start, size_t len)
{
    if (dma_count == dma_room) {
        size_t room = dma_room ? 2 * dma_room : 16;
        void *grown = heap_realloc(dma_buffers, room * sizeof *dma_buffers);
        if (!grown)
            return false;
        dma_buffers = grown;
        dma_room = room;
    }
    dma_buffers[dma_count++] = (struct dma_buffer){start, len};
    return true;
}

static JSValue dma_alloc(JSContext *ctx, JSValueConst self, int argc,
                         JSValueConst *argv)
{
    uint64_t len, align;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "lenBytes", INT32_MAX, &len) ||
        !get_integer(ctx, argv[1], "alignBytes", 1 << 30, &align))
        return JS_EXCEPTION;
    if (len == 0 || align == 0 || (align & (align - 1)))
        return JS_ThrowRangeError(
            ctx, "lenBytes must be positive and alignBytes a power of two");
    uint8_t *start = heap_alloc_aligned(len, align);
    if (!start || !remember_dma_buffer(start, len)) {
        heap_free(start);
        return JS_ThrowOutOfMemory(ctx);
    }
    memset(start, 0, len);
    return JS_NewArrayBuffer(ctx, start, len, NULL, NULL, false);
}

static JSValue dma_address(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    size_t len;
    (void)self, (void)argc;
    if (!JS_IsArrayBuffer(argv[0]))
        return JS_ThrowTypeError(ctx, "buffer must be an ArrayBuffer");
    uint8_t *start = JS_GetArrayBuffer(ctx, &len, argv[0]);
    for (size_t i = 0; i < dma_count; i++)
        if (dma_buffers[i].start == start && dma_buffers[i].len == len)
            return JS_NewInt64(ctx, (int64_t)plat_dma_address(start));
    JS_FreeValue(ctx, JS_GetException(ctx));
    return JS_ThrowTypeError(ctx, "buffer must come from dmaAlloc");
}

static JSValue barrier(JSContext *ctx, JSValueConst self, int argc,
                       JSValueConst *argv)
{
    (void)ctx, (void)self, (void)argc, (void)argv;
    plat_barrier();
    return JS_UNDEFINED;
}

/* `width` (the function's magic) is 1, 2 or 4 bytes in what follows. */

static uint64_t width_max(int width)
{
    return width == 1 ? UINT8_MAX : width == 2 ? UINT16_MAX : UINT32_MAX;
}

static JSValue port_read(JSContext *ctx, JSValueConst self, int argc,
                         JSValueConst *argv, int width)
{
    uint64_t port;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "port", UINT16_MAX, &port))
        return JS_EXCEPTION;
    return JS_NewUint32(ctx, plat_port_read((uint16_t)port, (unsigned)width));
}

static JSValue port_write(JSContext *ctx, JSValueConst self, int argc,
                          JSValueConst *argv, int width)
{
    uint64_t port, value;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "port", UINT16_MAX, &port) ||
        !get_integer(ctx, argv[1], "value", width_max(width), &value))
        return JS_EXCEPTION;
    plat_port_write((uint16_t)port, (unsigned)width, (uint32_t)value);
    return JS_UNDEFINED;
}

static JSValue not_device_memory(JSContext *ctx, uint64_t address)
{
    return JS_ThrowRangeError(
        ctx, "address 0x%llx is not aligned device memory",
        (unsigned long long)address);
}

static JSValue mmio_read(JSContext *ctx, JSValueConst self, int argc,
                         JSValueConst *argv, int width)
{
    uint64_t address;
    uint32_t value;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "address", MAX_SAFE_INTEGER, &address))
        return JS_EXCEPTION;
    if (plat_mmio_read(address, (unsigned)width, &value) != PLAT_OK)
        return not_device_memory(ctx, address);
    return JS_NewUint32(ctx, value);
}

static JSValue mmio_write(JSContext *ctx, JSValueConst self, int argc,
                          JSValueConst *argv, int width)
{
    uint64_t address, value;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "address", MAX_SAFE_INTEGER, &address) ||
        !get_integer(ctx, argv[1], "value", width_max(width), &value))
        return JS_EXCEPTION;
    if (plat_mmio_write(address, (unsigned)width, (uint32_t)value) != PLAT_OK)
        return not_device_memory(ctx, address);
    return JS_UNDEFINED;
}

static JSValue mmio_map(JSContext *ctx, JSValueConst self, int argc,
                        JSValueConst *argv)
{
    uint64_t address, len;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "address", MAX_SAFE_INTEGER, &address) ||
        !get_integer(ctx, argv[1], "lenBytes", MAX_SAFE_INTEGER, &len))
        return JS_EXCEPTION;
    return JS_NewBool(ctx, plat_mmio_map(address, len) == PLAT_OK);
}

static JSValue acpi_root(JSContext *ctx, JSValueConst self, int argc,
                         JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    if (!engine.start->acpi_root)
        return JS_UNDEFINED;
    return JS_NewArrayBufferCopy(ctx, engine.start->acpi_root,
                                 PLAT_ACPI_ROOT_BYTES);
}

static JSValue firmware_read(JSContext *ctx, JSValueConst self, int argc,
                             JSValueConst *argv)
{
    uint64_t address;
    struct span span;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "address", MAX_SAFE_INTEGER, &address) ||
        !get_span(ctx, argv + 1, &span) || !is_mutable(ctx, span))
        return JS_EXCEPTION;
    return JS_NewBool(ctx, plat_firmware_read(address, span.start, span.len) ==
                               PLAT_OK);
}

static bool get_write(JSContext *ctx, JSValueConst *argv, int width,
                      bool *is_port, uint64_t *address, uint64_t *value)
{
    return get_boolean(ctx, argv[0], "isPort", is_port) &&
           get_integer(ctx, argv[1], "address", MAX_SAFE_INTEGER, address) &&
           get_integer(ctx, argv[2], "value", width_max(width), value);
}

static JSValue stop_by(JSContext *ctx, JSValueConst self, int argc,
                       JSValueConst *argv, int width)
{
    bool is_port;
    uint64_t address, value;
    (void)self, (void)argc;
    if (!get_write(ctx, argv, width, &is_port, &address, &value))
        return JS_EXCEPTION;
    return JS_NewBool(ctx, plat_stop_by(is_port, address, (unsigned)width,
                                        (uint32_t)value) == PLAT_OK);
}

static JSValue reset_by(JSContext *ctx, JSValueConst self, int argc,
                        JSValueConst *argv)
{
    bool is_port;
    uint64_t address, value;
    (void)self, (void)argc;
    if (!get_write(ctx, argv, 1, &is_port, &address, &value))
        return JS_EXCEPTION;
    return JS_NewBool(
        ctx, plat_reset_by(is_port, address, (uint8_t)value) == PLAT_OK);
}

static JSValue irq_controller(JSContext *ctx, JSValueConst self, int argc,
                              JSValueConst *argv)
{
    uint64_t address, first_line;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "address", MAX_SAFE_INTEGER, &address) ||
        !get_integer(ctx, argv[1], "firstLine", UINT32_MAX, &first_line))
        return JS_EXCEPTION;
    return JS_NewBool(ctx, plat_irq_controller(address, (unsigned)first_line) ==
                               PLAT_OK);
}

static JSValue irq_enable(JSContext *ctx, JSValueConst self, int argc,
                          JSValueConst *argv)
{
    uint64_t line;
    bool is_level, is_low;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "line", UINT16_MAX, &line) ||
        !get_boolean(ctx, argv[1], "isLevel", &is_level) ||
        !get_boolean(ctx, argv[2], "isLow", &is_low))
        return JS_EXCEPTION;
    if (plat_irq_enable((unsigned)line, is_level, is_low) != PLAT_OK)
        return JS_ThrowRangeError(ctx, "this machine has no interrupt line %u",
                                  (unsigned)line);
    engine.can_be_woken = true;
    return JS_UNDEFINED;
}

static JSValue irq_message(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    uint64_t address;
    uint32_t data;
    (void)self, (void)argc, (void)argv;
    if (plat_irq_message(&address, &data) != PLAT_OK)
        return JS_ThrowRangeError(ctx, "this machine has no interrupts by "
                                       "message");
    JSValue result = JS_NewObject(ctx);
    if (JS_IsException(result) || !set_size(ctx, result, "address", address) ||
        !set_size(ctx, result, "data", data))
        return JS_EXCEPTION;
    engine.can_be_woken = true;
    return result;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("dmaAlloc", 2, dma_alloc),
    JS_CFUNC_DEF("dmaAddress", 1, dma_address),
    JS_CFUNC_DEF("barrier", 0, barrier),
    JS_CFUNC_MAGIC_DEF("portRead8", 1, port_read, 1),
    JS_CFUNC_MAGIC_DEF("portRead16", 1, port_read, 2),
    JS_CFUNC_MAGIC_DEF("portRead32", 1, port_read, 4),
    JS_CFUNC_MAGIC_DEF("portWrite8", 2, port_write, 1),
    JS_CFUNC_MAGIC_DEF("portWrite16", 2, port_write, 2),
    JS_CFUNC_MAGIC_DEF("portWrite32", 2, port_write, 4),
    JS_CFUNC_MAGIC_DEF("mmioRead8", 1, mmio_read, 1),
    JS_CFUNC_MAGIC_DEF("mmioRead16", 1, mmio_read, 2),
    JS_CFUNC_MAGIC_DEF("mmioRead32", 1, mmio_read, 4),
    JS_CFUNC_MAGIC_DEF("mmioWrite8", 2, mmio_write, 1),
    JS_CFUNC_MAGIC_DEF("mmioWrite16", 2, mmio_write, 2),
    JS_CFUNC_MAGIC_DEF("mmioWrite32", 2, mmio_write, 4),
    JS_CFUNC_DEF("mmioMap", 2, mmio_map),
    JS_CFUNC_DEF("acpiRoot", 0, acpi_root),
    JS_CFUNC_DEF("firmwareRead", 4, firmware_read),
    JS_CFUNC_MAGIC_DEF("stopBy8", 3, stop_by, 1),
    JS_CFUNC_MAGIC_DEF("stopBy16", 3, stop_by, 2),
    JS_CFUNC_MAGIC_DEF("stopBy32", 3, stop_by, 4),
    JS_CFUNC_DEF("resetBy", 3, reset_by),
    JS_CFUNC_DEF("irqController", 2, irq_controller),
    JS_CFUNC_DEF("irqEnable", 3, irq_enable),
    JS_CFUNC_DEF("irqMessage", 0, irq_message),
};

const struct functions bus_functions = FUNCTIONS(functions);
