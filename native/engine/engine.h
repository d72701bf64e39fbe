/* Shared by main.c (program) and module.c (the JavaScript surface). */
#ifndef MIRAGE_ENGINE_H
#define MIRAGE_ENGINE_H

#include "payload.h"
#include "plat.h"
#include "quickjs.h"

struct engine {
    const struct plat_start *start;
    const uint8_t *bytecode;
    size_t bytecode_len;
    const struct payload_section *sections;
    uint32_t section_count, asset_count;
    JSValue poll;       /* set by setPoll, else undefined */
    bool can_be_woken;  /* an interrupt line was enabled */
};

extern struct engine engine;

/* What this runtime was linked with: bits of enum feature. */
extern const uint32_t features;

/* Adds these to a context; not 0 when memory ran out. */
int features_add(JSContext *ctx);

/* An engine on a stack of this length, and a context with these features and all
 * that every program has, without the compiler; NULL when memory ran out. */
JSRuntime *runtime_new(size_t stack_bytes);
JSContext *context_new(JSRuntime *runtime);

/* Has the engine look for cyclic garbage before a small heap is full.  Called by
 * the run loop, and by the engine now and then in long computations. */
int limit_garbage(JSRuntime *runtime, void *opaque);

/* Defines the module 'mirage:native'; NULL with an exception when it cannot. */
JSModuleDef *module_define(JSContext *ctx, const char *name);

#endif
