/* An engine as every program has it, and how its garbage is kept small. */
#include <stdlib.h>

#include "engine.h"
#include "heap.h"

/* C code called by the engine, and a fault report, fit in what is left. */
enum { STACK_RESERVE = 32 * 1024 };

/*
 * Memory of a SharedArrayBuffer, behind a count of those that have it.  Without
 * these functions the engine makes none that can grow.
 */
union shared {
    size_t user_count;
    max_align_t align;
};

static void *shared_alloc(void *opaque, size_t len)
{
    (void)opaque;
    if (len > SIZE_MAX - sizeof(union shared))
        return NULL;
    union shared *memory = malloc(sizeof *memory + len);
    if (!memory)
        return NULL;
    memory->user_count = 1;
    return memory + 1;
}

static void shared_free(void *opaque, void *bytes)
{
    union shared *memory = (union shared *)bytes - 1;
    (void)opaque;
    if (--memory->user_count == 0)
        free(memory);
}

static void shared_dup(void *opaque, void *bytes)
{
    (void)opaque;
    ((union shared *)bytes - 1)->user_count++;
}

JSRuntime *runtime_new(size_t stack_bytes)
{
    static const JSSharedArrayBufferFunctions shared = {
        .sab_alloc = shared_alloc,
        .sab_free = shared_free,
        .sab_dup = shared_dup,
    };
    JSRuntime *runtime = JS_NewRuntime();
    if (!runtime)
        return NULL;
    JS_SetMaxStackSize(runtime, stack_bytes - STACK_RESERVE);
    JS_SetSharedArrayBufferFunctions(runtime, &shared);
    return runtime;
}

JSContext *context_new(JSRuntime *runtime)
{
    JSContext *ctx = JS_NewContextRaw(runtime);
    if (!ctx || JS_AddIntrinsicBaseObjects(ctx) ||
        JS_AddIntrinsicTypedArrays(ctx) || JS_AddIntrinsicPromise(ctx) ||
        features_add(ctx))
        return NULL;
    return ctx;
}

/*
 * The engine looks for cyclic garbage when memory in use has grown by half
 * since it last did.  By then a small heap may be full; and the engine counts
 * less than the heap does, whose blocks have headers.  So it is made to look,
 * at the next object it makes, when half of the room that was left after the
 * last time is used up, and when there was no room: what a program gave up
 * because of that may hold itself in circles.
 */
int limit_garbage(JSRuntime *runtime, void *opaque)
{
    enum { NOW = 0 };
    static size_t look_at; /* memory in use by then; 0: to be decided */
    static size_t failures;
    struct heap_usage usage = heap_usage();
    size_t left = usage.total - usage.used;
    (void)opaque;

    if (look_at == 0 && JS_GetGCThreshold(runtime) != NOW)
        look_at = usage.used + (left / 2 > usage.total / 64 ? left / 2
                                                            : usage.total / 64);
    if ((look_at != 0 && usage.used >= look_at) || usage.failures != failures) {
        failures = usage.failures;
        JS_SetGCThreshold(runtime, NOW); /* looking sets another */
        look_at = 0;
    }
    return 0; /* do not interrupt */
}
