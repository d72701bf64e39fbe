/*
 * The module 'mirage:native': all that JavaScript sees of the machine.  The
 * declaration with the contracts is mirage-native.d.ts; each function checks
 * its arguments before it touches anything.
 */
#include <math.h>
#include <string.h>

#include "arguments.h"
#include "checksum.h"
#include "engine.h"
#include "heap.h"
#include "octets.h"

#define MAX_SAFE_INTEGER ((1ull << 53) - 1)

/* Buffers made by dmaAlloc: the only ones whose address JavaScript gets. */
static struct dma_buffer {
    uint8_t *start;
    size_t len;
} *dma_buffers;
static size_t dma_count, dma_room;

bool get_integer(JSContext *ctx, JSValueConst value, const char *name,
                 uint64_t max, uint64_t *out)
{
    double number;

    if (JS_VALUE_GET_TAG(value) == JS_TAG_INT) {
        *out = (uint64_t)(int64_t)JS_VALUE_GET_INT(value);
        if (*out <= max) /* a negative one is not */
            return true;
    } else if (!JS_IsNumber(value)) {
        JS_ThrowTypeError(ctx, "%s must be a number", name);
        return false;
    } else {
        JS_ToFloat64(ctx, &number, value);
        if (number >= 0 && number <= (double)max && number == floor(number)) {
            *out = (uint64_t)number;
            return true;
        }
    }
    JS_ThrowRangeError(ctx, "%s must be an integer from 0 to %llu", name,
                       (unsigned long long)max);
    return false;
}

bool get_view(JSContext *ctx, JSValueConst value, const char *name,
              JSTypedArrayEnum type, struct span *out)
{
    size_t len, view_off, buffer_len;

    if (JS_GetTypedArrayType(value) != (int)type) {
        JS_ThrowTypeError(ctx, "%s must be a %s", name,
                          type == JS_TYPED_ARRAY_UINT8 ? "Uint8Array"
                                                       : "Uint32Array");
        return false;
    }
    JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &view_off, &len, NULL);
    if (JS_IsException(buffer))
        return false; /* detached, or beyond its shrunk buffer */
    uint8_t *start = JS_GetArrayBuffer(ctx, &buffer_len, buffer);
    bool immutable = JS_IsImmutableArrayBuffer(buffer) > 0;
    JS_FreeValue(ctx, buffer);
    /* A view that follows its buffer reports the length it was made with. */
    if (view_off > buffer_len)
        view_off = buffer_len;
    if (len > buffer_len - view_off)
        len = buffer_len - view_off;
    *out = (struct span){start + view_off, len, immutable};
    return true;
}

bool get_span(JSContext *ctx, JSValueConst *argv, struct span *out)
{
    uint64_t off, end;

    if (!get_view(ctx, argv[0], "bytes", JS_TYPED_ARRAY_UINT8, out) ||
        !get_integer(ctx, argv[1], "off", out->len, &off) ||
        !get_integer(ctx, argv[2], "end", out->len, &end))
        return false;
    if (off > end) {
        JS_ThrowRangeError(ctx, "off %u must not exceed end %u", (unsigned)off,
                           (unsigned)end);
        return false;
    }
    out->start += off;
    out->len = end - off;
    return true;
}

bool is_mutable(JSContext *ctx, struct span span)
{
    if (span.immutable)
        JS_ThrowTypeError(ctx, "bytes must not be immutable");
    return !span.immutable;
}

static JSValue console_write(JSContext *ctx, JSValueConst self, int argc,
                             JSValueConst *argv)
{
    struct span span;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span))
        return JS_EXCEPTION;
    plat_console_write(span.start, span.len);
    return JS_UNDEFINED;
}

static JSValue monotonic_us(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewInt64(ctx, (int64_t)plat_clock_monotonic_us());
}

static JSValue wall_us(JSContext *ctx, JSValueConst self, int argc,
                       JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewInt64(ctx, (int64_t)plat_clock_wall_us());
}

static JSValue entropy_fill(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    struct span span;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span) || !is_mutable(ctx, span))
        return JS_EXCEPTION;
    if (plat_entropy_fill(span.start, span.len) != PLAT_OK)
        return JS_ThrowPlainError(
            ctx, "This processor has no working random number generator");
    return JS_UNDEFINED;
}

static JSValue entropy_available(JSContext *ctx, JSValueConst self, int argc,
                                 JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewBool(ctx, plat_entropy_available());
}

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

static bool set_size(JSContext *ctx, JSValueConst object, const char *name,
                     size_t size)
{
    JSValue value = JS_NewInt64(ctx, (int64_t)size);
    return JS_SetPropertyStr(ctx, object, name, value) >= 0;
}

static JSValue irq_enable(JSContext *ctx, JSValueConst self, int argc,
                          JSValueConst *argv)
{
    uint64_t line;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "line", UINT16_MAX, &line))
        return JS_EXCEPTION;
    if (plat_irq_enable((unsigned)line) != PLAT_OK)
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

/* `index` as an argument, below count. */
static bool get_index(JSContext *ctx, JSValueConst value, unsigned count,
                      unsigned *out)
{
    uint64_t index;
    if (count == 0) {
        JS_ThrowRangeError(ctx, "this machine was given no such device");
        return false;
    }
    if (!get_integer(ctx, value, "index", count - 1, &index))
        return false;
    *out = (unsigned)index;
    return true;
}

static JSValue net_open(JSContext *ctx, JSValueConst self, int argc,
                        JSValueConst *argv)
{
    unsigned index;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_net_count(), &index))
        return JS_EXCEPTION;
    plat_net_open(index);
    engine.can_be_woken = true;
    return JS_UNDEFINED;
}

/* (index, bytes, lens): each of lens.length frames has an equal part of bytes. */
static JSValue net_receive(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    struct span bytes, lens;
    unsigned index, count;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_net_count(), &index) ||
        !get_view(ctx, argv[1], "bytes", JS_TYPED_ARRAY_UINT8, &bytes) ||
        !get_view(ctx, argv[2], "lens", JS_TYPED_ARRAY_UINT32, &lens) ||
        !is_mutable(ctx, bytes) || !is_mutable(ctx, lens))
        return JS_EXCEPTION;
    size_t max = lens.len / sizeof(uint32_t);
    if (max == 0 || bytes.len < max)
        return JS_ThrowRangeError(ctx, "bytes and lens must not be empty");
    if (plat_net_receive(index, bytes.start, bytes.len / max,
                         (uint32_t *)lens.start, (unsigned)max,
                         &count) != PLAT_OK)
        return JS_NewInt32(ctx, -1);
    return JS_NewUint32(ctx, count);
}

/* (index, bytes, spans, count): spans holds off and end of each frame. */
static JSValue net_send(JSContext *ctx, JSValueConst self, int argc,
                        JSValueConst *argv)
{
    struct span bytes, spans;
    unsigned index, sent;
    uint64_t count;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_net_count(), &index) ||
        !get_view(ctx, argv[1], "bytes", JS_TYPED_ARRAY_UINT8, &bytes) ||
        !get_view(ctx, argv[2], "spans", JS_TYPED_ARRAY_UINT32, &spans) ||
        !get_integer(ctx, argv[3], "count",
                     spans.len / (2 * sizeof(uint32_t)), &count) ||
        !is_mutable(ctx, bytes))
        return JS_EXCEPTION;
    const uint32_t *at = (const uint32_t *)spans.start;
    for (uint64_t i = 0; i < count; i++)
        if (at[2 * i] < PLAT_NET_HEADROOM || at[2 * i] > at[2 * i + 1] ||
            at[2 * i + 1] > bytes.len)
            return JS_ThrowRangeError(
                ctx, "frame %u must lie in bytes, behind %u octets of room",
                (unsigned)i, PLAT_NET_HEADROOM);
    if (plat_net_send(index, bytes.start, at, (unsigned)count, &sent) !=
        PLAT_OK)
        return JS_NewInt32(ctx, -1);
    return JS_NewUint32(ctx, sent);
}

static JSValue block_len(JSContext *ctx, JSValueConst self, int argc,
                         JSValueConst *argv)
{
    unsigned index;
    uint64_t len = 0;
    bool is_writable;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_block_count(), &index))
        return JS_EXCEPTION;
    plat_block_info(index, &len, &is_writable);
    return JS_NewInt64(ctx, (int64_t)len);
}

static JSValue block_is_writable(JSContext *ctx, JSValueConst self, int argc,
                                 JSValueConst *argv)
{
    unsigned index;
    uint64_t len;
    bool is_writable = false;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_block_count(), &index))
        return JS_EXCEPTION;
    plat_block_info(index, &len, &is_writable);
    return JS_NewBool(ctx, is_writable);
}

static JSValue block_result(JSContext *ctx, plat_result_t result)
{
    if (result == PLAT_INVALID)
        return JS_ThrowRangeError(
            ctx, "the transfer lies outside of the device, or writes to one "
                 "that is read-only");
    return JS_NewBool(ctx, result == PLAT_OK);
}

enum { BLOCK_READ, BLOCK_WRITE };

/* (index, offset, bytes, off, end) */
static JSValue block_transfer(JSContext *ctx, JSValueConst self, int argc,
                              JSValueConst *argv, int direction)
{
    struct span span;
    unsigned index;
    uint64_t offset;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_block_count(), &index) ||
        !get_integer(ctx, argv[1], "offset", MAX_SAFE_INTEGER, &offset) ||
        !get_span(ctx, argv + 2, &span))
        return JS_EXCEPTION;
    if (direction == BLOCK_WRITE)
        return block_result(
            ctx, plat_block_write(index, offset, span.start, span.len));
    if (!is_mutable(ctx, span))
        return JS_EXCEPTION;
    return block_result(ctx,
                        plat_block_read(index, offset, span.start, span.len));
}

static JSValue block_flush(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    unsigned index;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_block_count(), &index))
        return JS_EXCEPTION;
    return block_result(ctx, plat_block_flush(index));
}

static JSValue set_poll(JSContext *ctx, JSValueConst self, int argc,
                        JSValueConst *argv)
{
    (void)self, (void)argc;
    if (!JS_IsFunction(ctx, argv[0]))
        return JS_ThrowTypeError(ctx, "poll must be a function");
    JS_FreeValue(ctx, engine.poll);
    engine.poll = JS_DupValue(ctx, argv[0]);
    return JS_UNDEFINED;
}

static JSValue exit_machine(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    uint64_t status;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "status", PLAT_STATUS_MAX, &status))
        return JS_EXCEPTION;
    plat_exit((int)status);
}

static JSValue checksum_function(JSContext *ctx, JSValueConst self, int argc,
                                 JSValueConst *argv)
{
    struct span span;
    uint64_t initial;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span) ||
        !get_integer(ctx, argv[3], "initial", UINT32_MAX, &initial))
        return JS_EXCEPTION;
    return JS_NewInt32(
        ctx, (int32_t)checksum(span.start, span.len, (uint32_t)initial));
}

static JSValue asset(JSContext *ctx, JSValueConst self, int argc,
                     JSValueConst *argv)
{
    uint64_t index;
    (void)self, (void)argc;
    if (engine.asset_count == 0)
        return JS_ThrowRangeError(ctx, "this image has no assets");
    if (!get_integer(ctx, argv[0], "index", engine.asset_count - 1, &index))
        return JS_EXCEPTION;
    const struct payload_section *s = engine.sections;
    for (;; s++)
        if (s->kind == PAYLOAD_ASSET && index-- == 0)
            break;
    JSValue buffer =
        JS_NewArrayBuffer(ctx, (uint8_t *)engine.start->payload + s->off,
                          s->len, NULL, NULL, false);
    if (!JS_IsException(buffer))
        JS_SetImmutableArrayBuffer(buffer, true);
    return buffer;
}

static JSValue memory(JSContext *ctx, JSValueConst self, int argc,
                      JSValueConst *argv)
{
    struct heap_usage usage = heap_usage();
    (void)self, (void)argc, (void)argv;
    JSValue result = JS_NewObject(ctx);
    if (JS_IsException(result) ||
        !set_size(ctx, result, "totalBytes", engine.start->total_bytes) ||
        !set_size(ctx, result, "heapBytes", usage.total) ||
        !set_size(ctx, result, "usedBytes", usage.used))
        return JS_EXCEPTION;
    return result;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("consoleWrite", 3, console_write),
    JS_CFUNC_DEF("monotonicUs", 0, monotonic_us),
    JS_CFUNC_DEF("wallUs", 0, wall_us),
    JS_CFUNC_DEF("entropyFill", 3, entropy_fill),
    JS_CFUNC_DEF("entropyAvailable", 0, entropy_available),
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
    JS_CFUNC_DEF("irqEnable", 1, irq_enable),
    JS_CFUNC_DEF("irqMessage", 0, irq_message),
    JS_CFUNC_DEF("netOpen", 1, net_open),
    JS_CFUNC_DEF("netReceive", 3, net_receive),
    JS_CFUNC_DEF("netSend", 4, net_send),
    JS_CFUNC_DEF("blockLen", 1, block_len),
    JS_CFUNC_DEF("blockIsWritable", 1, block_is_writable),
    JS_CFUNC_MAGIC_DEF("blockRead", 5, block_transfer, BLOCK_READ),
    JS_CFUNC_MAGIC_DEF("blockWrite", 5, block_transfer, BLOCK_WRITE),
    JS_CFUNC_DEF("blockFlush", 1, block_flush),
    JS_CFUNC_DEF("setPoll", 1, set_poll),
    JS_CFUNC_DEF("exit", 1, exit_machine),
    JS_CFUNC_DEF("checksum", 4, checksum_function),
    JS_CFUNC_DEF("asset", 1, asset),
    JS_CFUNC_DEF("memory", 0, memory),
};

enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

static int fill(JSContext *ctx, JSModuleDef *m)
{
    const struct {
        const char *name;
        JSValue value;
    } constants[] = {
        {"abiVersion", JS_NewInt32(ctx, PAYLOAD_ABI)},
        {"target", JS_NewString(ctx, plat_target)},
        {"commandLine", JS_NewString(ctx, engine.start->command_line)},
        {"assetCount", JS_NewUint32(ctx, engine.asset_count)},
        {"netHeadroom", JS_NewInt32(ctx, PLAT_NET_HEADROOM)},
        {"netCount", JS_NewUint32(ctx, plat_net_count())},
        {"blockCount", JS_NewUint32(ctx, plat_block_count())},
    };

    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (JS_SetModuleExport(ctx, m, constants[i].name, constants[i].value))
            return -1;
    if (JS_SetModuleExportList(ctx, m, functions, FUNCTION_COUNT))
        return -1;
    return JS_SetModuleExportList(ctx, m, octets_functions,
                                  OCTETS_FUNCTION_COUNT);
}

JSModuleDef *module_define(JSContext *ctx, const char *name)
{
    static const char *const constants[] = {"abiVersion", "target",
                                            "commandLine", "assetCount",
                                            "netHeadroom", "netCount",
                                            "blockCount"};
    JSModuleDef *m = JS_NewCModule(ctx, name, fill);
    if (!m || JS_AddModuleExportList(ctx, m, functions, FUNCTION_COUNT) < 0 ||
        JS_AddModuleExportList(ctx, m, octets_functions,
                               OCTETS_FUNCTION_COUNT) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (JS_AddModuleExport(ctx, m, constants[i]) < 0)
            return NULL;
    return m;
}
