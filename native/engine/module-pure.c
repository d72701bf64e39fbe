/*
 * Of 'mirage:native': pure functions that the engine would be slow at.  Each
 * has a reference in TypeScript, which it replaces in images.
 */
#include <string.h>

#include "arguments.h"
#include "checksum.h"
#include "crc.h"
#include "module.h"
#include "siphash.h"

static JSValue checksum_function(JSContext *ctx, JSValueConst self, int argc,
                                 JSValueConst *argv)
{
    struct span span;
    uint64_t initial;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span) ||
        !get_integer(ctx, argv[3], "initial", MAX_SAFE_INTEGER, &initial))
        return JS_EXCEPTION;
    return JS_NewInt32(
        ctx, (int32_t)checksum(span.start, span.len, initial));
}

/* (bytes, off, end, initial?) */
static JSValue crc_function(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv, int kind)
{
    struct span span;
    uint64_t initial = 0;
    (void)self;
    if (!get_span(ctx, argv, &span) ||
        (argc > 3 &&
         !get_integer(ctx, argv[3], "initial", UINT32_MAX, &initial)))
        return JS_EXCEPTION;
    return JS_NewUint32(ctx, crc((enum crc)kind, span.start, span.len,
                                 (uint32_t)initial));
}

/* (key, input, end, out): the hash of input[0, end) to out[0, 8). */
static JSValue siphash24_function(JSContext *ctx, JSValueConst self, int argc,
                                  JSValueConst *argv)
{
    struct span key, input, out;
    uint64_t end, hash;
    (void)self, (void)argc;
    if (!get_view(ctx, argv[0], "key", JS_TYPED_ARRAY_UINT8, &key) ||
        !get_view(ctx, argv[1], "input", JS_TYPED_ARRAY_UINT8, &input) ||
        !get_integer(ctx, argv[2], "end", input.len, &end) ||
        !get_view(ctx, argv[3], "out", JS_TYPED_ARRAY_UINT8, &out) ||
        !is_mutable(ctx, out))
        return JS_EXCEPTION;
    if (key.len < 16 || out.len < sizeof hash)
        return JS_ThrowRangeError(ctx, "key must have 16 octets, out 8");
    hash = siphash24(key.start, input.start, end);
    memcpy(out.start, &hash, sizeof hash);
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("checksum", 4, checksum_function),
    JS_CFUNC_MAGIC_DEF("crc32", 3, crc_function, CRC_IEEE),
    JS_CFUNC_MAGIC_DEF("crc32c", 3, crc_function, CRC_CASTAGNOLI),
    JS_CFUNC_DEF("sipHash24", 4, siphash24_function),
};

const struct functions pure_functions = FUNCTIONS(functions);
