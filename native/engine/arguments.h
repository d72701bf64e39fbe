/* Arguments of the functions of 'mirage:native', checked: see module.c. */
#ifndef MIRAGE_ARGUMENTS_H
#define MIRAGE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

struct span { /* octets of a view */
    uint8_t *start;
    size_t len;
    bool immutable;
};

/* An integer argument in [0, max]; false with an exception otherwise. */
bool get_integer(JSContext *ctx, JSValueConst value, const char *name,
                 uint64_t max, uint64_t *out);

/* All of a typed array of this type. */
bool get_view(JSContext *ctx, JSValueConst value, const char *name,
              JSTypedArrayEnum type, struct span *out);

/* Arguments (bytes, off, end): the part [off, end) of a Uint8Array. */
bool get_span(JSContext *ctx, JSValueConst *argv, struct span *out);

/* What was asked to be written to can be. */
bool is_mutable(JSContext *ctx, struct span span);

#endif
