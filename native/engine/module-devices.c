/* Of 'mirage:native': devices that the host hands over open, on target spt. */
#include "arguments.h"
#include "engine.h"
#include "module.h"

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

static JSValue net_has_offload(JSContext *ctx, JSValueConst self, int argc,
                               JSValueConst *argv)
{
    unsigned index;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_net_count(), &index))
        return JS_EXCEPTION;
    return JS_NewBool(ctx, plat_net_has_offload(index));
}

/* (index, bytes, spans, longest): off and end of each frame go to spans. */
static JSValue net_receive(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    struct span bytes, spans;
    unsigned index, count;
    uint64_t longest;
    (void)self, (void)argc;
    if (!get_index(ctx, argv[0], plat_net_count(), &index) ||
        !get_view(ctx, argv[1], "bytes", JS_TYPED_ARRAY_UINT8, &bytes) ||
        !get_view(ctx, argv[2], "spans", JS_TYPED_ARRAY_UINT32, &spans) ||
        !get_integer(ctx, argv[3], "longest", bytes.len, &longest) ||
        !is_mutable(ctx, bytes) || !is_mutable(ctx, spans))
        return JS_EXCEPTION;
    if (bytes.len > UINT32_MAX)
        bytes.len = UINT32_MAX;
    switch (plat_net_receive(index, bytes.start, bytes.len, longest,
                             (uint32_t *)spans.start,
                             (unsigned)(spans.len / (2 * sizeof(uint32_t))),
                             &count)) {
    case PLAT_OK:
        return JS_NewUint32(ctx, count);
    case PLAT_INVALID:
        return JS_ThrowRangeError(ctx, "bytes must have room for the longest "
                                       "frame, and %d octets at least",
                                  PLAT_NET_RECEIVE_MIN);
    default:
        return JS_NewInt32(ctx, -1);
    }
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

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("netOpen", 1, net_open),
    JS_CFUNC_DEF("netHasOffload", 1, net_has_offload),
    JS_CFUNC_DEF("netReceive", 4, net_receive),
    JS_CFUNC_DEF("netSend", 4, net_send),
    JS_CFUNC_DEF("blockLen", 1, block_len),
    JS_CFUNC_DEF("blockIsWritable", 1, block_is_writable),
    JS_CFUNC_MAGIC_DEF("blockRead", 5, block_transfer, BLOCK_READ),
    JS_CFUNC_MAGIC_DEF("blockWrite", 5, block_transfer, BLOCK_WRITE),
    JS_CFUNC_DEF("blockFlush", 1, block_flush),
};

const struct functions device_functions = FUNCTIONS(functions);
