#include "arguments.h"

#include <math.h>

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

bool get_boolean(JSContext *ctx, JSValueConst value, const char *name,
                 bool *out)
{
    if (!JS_IsBool(value)) {
        JS_ThrowTypeError(ctx, "%s must be true or false", name);
        return false;
    }
    *out = JS_ToBool(ctx, value);
    return true;
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

bool set_size(JSContext *ctx, JSValueConst object, const char *name,
              uint64_t size)
{
    JSValue value = JS_NewInt64(ctx, (int64_t)size);
    return JS_SetPropertyStr(ctx, object, name, value) >= 0;
}
