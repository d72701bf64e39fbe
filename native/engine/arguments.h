/*
 * Arguments of the functions of 'mirage:native'.  What returns bool returns
 * false with an exception pending: a TypeError for a wrong kind, a RangeError
 * for a wrong value.
 */
#ifndef MIRAGE_ARGUMENTS_H
#define MIRAGE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

#define MAX_SAFE_INTEGER ((1ull << 53) - 1)

struct span { /* octets of a view */
    uint8_t *start;
    size_t len;
    bool immutable;
};

/* An integer in [0, max]. */
bool get_integer(JSContext *ctx, JSValueConst value, const char *name,
                 uint64_t max, uint64_t *out);

bool get_boolean(JSContext *ctx, JSValueConst value, const char *name,
                 bool *out);

/* All of a typed array of this type, UINT8 or UINT32. */
bool get_view(JSContext *ctx, JSValueConst value, const char *name,
              JSTypedArrayEnum type, struct span *out);

/* Arguments (bytes, off, end): the part [off, end) of a Uint8Array. */
bool get_span(JSContext *ctx, JSValueConst *argv, struct span *out);

/* What was asked to be written to can be. */
bool is_mutable(JSContext *ctx, struct span span);

/* A property of a result: a number of octets, an address. */
bool set_size(JSContext *ctx, JSValueConst object, const char *name,
              uint64_t size);

#endif
