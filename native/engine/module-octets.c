/*
 * Of 'mirage:native': octets that stand for characters, in bulk.  The functions
 * of packages/core/src/octets.ts, which is their contract.
 */
#include <string.h>

#include "arguments.h"
#include "module.h"

/* Four octets, each letter A to Z among them made small. */
static uint32_t fold(uint32_t word)
{
    uint32_t low = word & 0x7f7f7f7f;
    /* The high bit of each octet from 'A' on, less those behind 'Z'. */
    uint32_t upper = (low + 0x3f3f3f3f) & ~(low + 0x25252525) & ~word;
    return word | ((upper & 0x80808080) >> 2);
}

/* Octets [0, len) of at most four, first highest, zeros behind them. */
static uint32_t word_at(const uint8_t *bytes, size_t len)
{
    uint32_t word = 0;
    for (size_t i = 0; i < 4; i++)
        word = word << 8 | (i < len ? bytes[i] : 0);
    return word;
}

static uint32_t hash(const uint8_t *bytes, size_t len, uint32_t seed)
{
    uint32_t h = seed;
    for (; len > 0; bytes += 4, len -= len < 4 ? len : 4) {
        h = (h ^ fold(word_at(bytes, len))) * 0x9e3779b1;
        h ^= h >> 15;
    }
    return h ^ h >> 13;
}

static bool is_folded_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (; len >= 4; a += 4, b += 4, len -= 4)
        if (fold(word_at(a, 4)) != fold(word_at(b, 4)))
            return false;
    return fold(word_at(a, len)) == fold(word_at(b, len));
}

/* (bytes, off, end, seed) */
static JSValue folded_hash(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    struct span span;
    int32_t seed;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span) || JS_ToInt32(ctx, &seed, argv[3]) < 0)
        return JS_EXCEPTION;
    return JS_NewInt32(ctx,
                       (int32_t)hash(span.start, span.len, (uint32_t)seed));
}

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

/* (a, aOff, b, bOff, lenBytes) */
static JSValue equal(JSContext *ctx, JSValueConst self, int argc,
                     JSValueConst *argv, int is_folded)
{
    struct span a, b;
    uint64_t a_off, b_off, len;
    (void)self, (void)argc;
    if (!get_view(ctx, argv[0], "a", JS_TYPED_ARRAY_UINT8, &a) ||
        !get_integer(ctx, argv[1], "aOff", a.len, &a_off) ||
        !get_view(ctx, argv[2], "b", JS_TYPED_ARRAY_UINT8, &b) ||
        !get_integer(ctx, argv[3], "bOff", b.len, &b_off) ||
        !get_integer(ctx, argv[4], "lenBytes", a.len - a_off, &len))
        return JS_EXCEPTION;
    if (len > b.len - b_off)
        return JS_ThrowRangeError(ctx, "lenBytes must not reach beyond b");
    return JS_NewBool(ctx, (is_folded ? is_folded_equal : is_equal)(
                               a.start + a_off, b.start + b_off, len));
}

/* (from, off, end, to, toOff) */
static JSValue copy(JSContext *ctx, JSValueConst self, int argc,
                    JSValueConst *argv)
{
    struct span from, to;
    uint64_t to_off;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &from) ||
        !get_view(ctx, argv[3], "to", JS_TYPED_ARRAY_UINT8, &to) ||
        !is_mutable(ctx, to) ||
        !get_integer(ctx, argv[4], "toOff", to.len, &to_off))
        return JS_EXCEPTION;
    if (from.len > to.len - to_off)
        return JS_ThrowRangeError(ctx, "the octets must fit into to");
    memmove(to.start + to_off, from.start, from.len);
    return JS_UNDEFINED;
}

static bool is_ascii(const uint8_t *bytes, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= bytes[i];
    return all < 0x80;
}

/* (bytes[, off, end]) */
static JSValue octets_to_text(JSContext *ctx, JSValueConst self, int argc,
                              JSValueConst *argv)
{
    struct span span;
    (void)self;
    if (argc == 1
            ? !get_view(ctx, argv[0], "bytes", JS_TYPED_ARRAY_UINT8, &span)
            : !get_span(ctx, argv, &span))
        return JS_EXCEPTION;
    if (is_ascii(span.start, span.len))
        return JS_NewStringLen(ctx, (const char *)span.start, span.len);
    uint16_t *units = js_malloc(ctx, span.len * sizeof *units);
    if (!units)
        return JS_EXCEPTION;
    for (size_t i = 0; i < span.len; i++)
        units[i] = span.start[i];
    JSValue text = JS_NewStringUTF16(ctx, units, span.len);
    js_free(ctx, units);
    return text;
}

static JSValue does_not_fit(JSContext *ctx)
{
    return JS_ThrowRangeError(ctx, "text must fit into bytes");
}

/* The low octet of each UTF-16 unit. */
static JSValue write_units(JSContext *ctx, struct span span, uint64_t off,
                           JSValueConst text)
{
    size_t len;
    const uint16_t *units = JS_ToCStringLenUTF16(ctx, &len, text);
    if (!units)
        return JS_EXCEPTION;
    bool fits = len <= span.len - off;
    for (size_t i = 0; fits && i < len; i++)
        span.start[off + i] = (uint8_t)units[i];
    JS_FreeCStringUTF16(ctx, units);
    return fits ? JS_NewInt64(ctx, (int64_t)(off + len)) : does_not_fit(ctx);
}

/* (bytes, off, text): text in ASCII, nearly all there is, is copied as it lies. */
static JSValue write_text(JSContext *ctx, JSValueConst self, int argc,
                          JSValueConst *argv)
{
    struct span span;
    uint64_t off;
    size_t len;
    (void)self, (void)argc;
    if (!JS_IsString(argv[2]))
        return JS_ThrowTypeError(ctx, "text must be a string");
    if (!get_view(ctx, argv[0], "bytes", JS_TYPED_ARRAY_UINT8, &span) ||
        !get_integer(ctx, argv[1], "off", span.len, &off) ||
        !is_mutable(ctx, span))
        return JS_EXCEPTION;
    const char *text = JS_ToCStringLen(ctx, &len, argv[2]);
    if (!text)
        return JS_EXCEPTION;
    bool plain = is_ascii((const uint8_t *)text, len);
    bool fits = len <= span.len - off;
    if (plain && fits)
        memcpy(span.start + off, text, len);
    JS_FreeCString(ctx, text);
    if (!plain)
        return write_units(ctx, span, off, argv[2]);
    return fits ? JS_NewInt64(ctx, (int64_t)(off + len)) : does_not_fit(ctx);
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("foldedHash", 4, folded_hash),
    JS_CFUNC_MAGIC_DEF("foldedEqual", 5, equal, true),
    JS_CFUNC_MAGIC_DEF("octetsEqual", 5, equal, false),
    JS_CFUNC_DEF("octetsCopy", 5, copy),
    JS_CFUNC_DEF("octetsToText", 3, octets_to_text),
    JS_CFUNC_DEF("writeText", 3, write_text),
};

const struct functions octets_functions = FUNCTIONS(functions);
