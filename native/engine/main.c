/*
 * The engine as an application: checks the payload, starts QuickJS, evaluates
 * the program's module and runs its jobs until it exits.
 *
 * The JavaScript compiler is left out of the context (no eval, no Function
 * constructor): programs arrive as bytecode.
 */
#include <stdio.h>
#include <string.h>

#include "aot-load.h"
#include "engine.h"
#include "heap.h"

/* Links of a chain of causes that are printed. */
enum { CAUSES = 8 };

struct engine engine;

static JSRuntime *runtime;
static JSContext *context;
static JSValue top_level; /* the promise of the program's module */

/* Rejected promises without a handler so far. */
static struct rejection {
    JSValue promise, reason;
} *rejections;
static size_t rejection_count, rejection_room;

static _Noreturn void out_of_memory(void)
{
    struct heap_usage usage = heap_usage();
    printf("out of memory: %zu of %zu KiB of heap in use\n", usage.used / 1024,
           usage.total / 1024);
    plat_exit(PLAT_STATUS_OUT_OF_MEMORY);
}

/* True for what the engine throws when memory ran out: an Error saying so, or
 * that it could not, or null when there was none left even for that. */
static bool is_out_of_memory(JSValueConst value)
{
    if (JS_IsNull(value) || JS_IsUninitialized(value))
        return heap_usage().failures > 0;
    if (!JS_IsError(value))
        return false;
    JSValue message = JS_GetPropertyStr(context, value, "message");
    const char *text = JS_ToCString(context, message);
    return text && (!strcmp(text, "out of memory") ||
                    (!strcmp(text, "Invalid error message") &&
                     heap_usage().failures > 0));
}

static void print_value(JSValueConst value)
{
    const char *text = JS_ToCString(context, value);
    if (text)
        printf("%s", text);
    else if (is_out_of_memory(JS_GetException(context)))
        out_of_memory();
    else
        printf("(a value that cannot be made a string)");
}

static void print_error(JSValueConst value)
{
    print_value(value);
    printf("\n");
    if (!JS_IsError(value))
        return;
    JSValue stack = JS_GetPropertyStr(context, value, "stack");
    if (JS_IsString(stack))
        print_value(stack);
}

/* Reports a thrown value or the reason of a rejection, and exits. */
static _Noreturn void uncaught(const char *what, JSValue value)
{
    if (is_out_of_memory(value))
        out_of_memory();
    printf("%s: ", what);
    print_error(value);
    for (int depth = 0; depth < CAUSES && JS_IsError(value); depth++) {
        value = JS_GetPropertyStr(context, value, "cause");
        if (!JS_IsError(value))
            break;
        printf("caused by: ");
        print_error(value);
    }
    plat_exit(PLAT_STATUS_UNCAUGHT);
}

static _Noreturn void uncaught_exception(void)
{
    uncaught("uncaught exception", JS_GetException(context));
}

static bool is_same_object(JSValueConst a, JSValueConst b)
{
    return JS_VALUE_GET_PTR(a) == JS_VALUE_GET_PTR(b);
}

/* Called by the engine when a promise is rejected without a handler, and
 * again when such a promise gets one after all. */
static void track_rejection(JSContext *ctx, JSValueConst promise,
                            JSValueConst reason, bool is_handled, void *opaque)
{
    (void)opaque;
    if (!is_handled) {
        if (rejection_count == rejection_room) {
            rejection_room = rejection_room ? 2 * rejection_room : 16;
            rejections = heap_realloc(rejections,
                                      rejection_room * sizeof *rejections);
            if (!rejections)
                out_of_memory();
        }
        rejections[rejection_count++] = (struct rejection){
            JS_DupValue(ctx, promise), JS_DupValue(ctx, reason)};
        return;
    }
    for (size_t i = 0; i < rejection_count; i++)
        if (is_same_object(rejections[i].promise, promise)) {
            JS_FreeValue(ctx, rejections[i].promise);
            JS_FreeValue(ctx, rejections[i].reason);
            rejections[i] = rejections[--rejection_count];
            return;
        }
}

static _Noreturn void refuse(const char *why)
{
    static char text[160];
    snprintf(text, sizeof text, "the payload is refused: %s", why);
    plat_panic(text);
}

/* Checks every rule of payload.h and fills in engine.sections and so on. */
static void read_payload(const struct plat_start *start)
{
    const struct payload_header *header = (const void *)start->payload;
    const struct payload_section *sections = (const void *)(header + 1);
    const struct bytecode_header *bytecode = NULL;

    if (memcmp(header->magic, PAYLOAD_MAGIC, sizeof header->magic))
        refuse("bad magic");
    if (header->version != PAYLOAD_VERSION)
        refuse("its layout has another version; build runtime and image with "
               "the same mirage");
    if (header->abi != PAYLOAD_ABI)
        refuse("it was made for another version of mirage:native; build "
               "runtime and image with the same mirage");
    if (header->len > start->payload_len ||
        header->section_count > PAYLOAD_MAX_SECTIONS ||
        sizeof *header + header->section_count * sizeof *sections > header->len)
        refuse("its section table exceeds its length");

    for (uint32_t i = 0; i < header->section_count; i++) {
        const struct payload_section *s = &sections[i];
        if (s->off % PAYLOAD_ALIGN || s->off > header->len ||
            s->len > header->len - s->off)
            refuse("a section exceeds its length or is misaligned");
        if (s->kind == PAYLOAD_ASSET) {
            engine.asset_count++;
        } else if (s->kind != PAYLOAD_BYTECODE || bytecode) {
            refuse("a section of unknown kind, or bytecode twice");
        } else {
            bytecode = (const void *)(start->payload + s->off);
            engine.bytecode = (const uint8_t *)(bytecode + 1);
            if (s->len < sizeof *bytecode)
                refuse("its bytecode is truncated");
            engine.bytecode_len = s->len - sizeof *bytecode;
        }
    }
    if (!bytecode)
        refuse("it holds no program; add one with `mirage build`");
    if (memcmp(bytecode->magic, BYTECODE_MAGIC, sizeof bytecode->magic))
        refuse("its bytecode does not come from mirage-bytecode");
    if (bytecode->engine_id != ENGINE_ID)
        refuse("its bytecode was made by another version of the engine; build "
               "runtime and image with the same mirage");
    if (bytecode->features & ~features)
        refuse("it needs parts of the library that this runtime was linked "
               "without; build it with `mirage build`");
    engine.sections = sections;
    engine.section_count = header->section_count;
}

static JSModuleDef *load_module(JSContext *ctx, const char *name, void *opaque)
{
    (void)opaque;
    if (!strcmp(name, "mirage:native"))
        return module_define(ctx, name);
    JS_ThrowReferenceError(ctx, "no module '%s' in this image", name);
    return NULL;
}

/*
 * Memory in use when the engine first looks for cyclic garbage.  By itself it
 * would at 256 KiB, again and again while a program starts, all of whose objects
 * are there to stay: a twelfth of the start of a website.  Never earlier: it has
 * to have started itself.
 */
static size_t first_look(void)
{
    enum { LEAST = 256 << 10, MOST = 4 << 20, SHARE = 8 };
    size_t share = heap_usage().total / SHARE;
    return share < LEAST ? LEAST : share < MOST ? share : MOST;
}

static void start_engine(size_t stack_bytes)
{
    runtime = runtime_new(stack_bytes);
    if (!runtime)
        out_of_memory();
    JS_SetModuleLoaderFunc(runtime, NULL, load_module, NULL);
    JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
    JS_SetInterruptHandler(runtime, limit_garbage, NULL);
    JS_SetGCThreshold(runtime, first_look());
    context = context_new(runtime);
    if (!context)
        out_of_memory();
}

/* Offset of the bytecode's own checksum, little endian. */
enum { CHECKSUM_OFF = 1 };

/* Gives the program its compiled functions, if this runtime was linked with some. */
static void load_compiled(JSValueConst module)
{
    uint32_t checksum;
    if (aot_function_count == 0)
        return;
    memcpy(&checksum, engine.bytecode + CHECKSUM_OFF, sizeof checksum);
    if (checksum != aot_bytecode_checksum ||
        !aot_load(context, module, aot_function_count, aot_functions))
        refuse("the runtime was compiled for another program");
}

static void start_program(void)
{
    JSValue module = JS_ReadObject(context, engine.bytecode,
                                   engine.bytecode_len, JS_READ_OBJ_BYTECODE);
    if (JS_IsException(module)) {
        JSValue error = JS_GetException(context);
        const char *text = JS_ToCString(context, error);
        if (!text || strstr(text, "out of memory"))
            out_of_memory();
        refuse("its bytecode is corrupt");
    }
    load_compiled(module);
    if (JS_ResolveModule(context, module) < 0)
        uncaught_exception();
    top_level = JS_EvalFunction(context, module);
    if (JS_IsException(top_level))
        uncaught_exception();
}

static void run_jobs(void)
{
    JSContext *ctx;
    int status;
    while ((status = JS_ExecutePendingJob(runtime, &ctx)) > 0)
        ;
    if (status < 0)
        uncaught_exception();
    if (JS_PromiseState(context, top_level) == JS_PROMISE_REJECTED)
        uncaught("uncaught exception", JS_PromiseResult(context, top_level));
    if (rejection_count > 0)
        uncaught("unhandled rejection", rejections[0].reason);
}

/* Asks the program for its deadline: monotonic microseconds. */
static double poll(void)
{
    double deadline;
    JSValue value = JS_Call(context, engine.poll, JS_UNDEFINED, 0, NULL);
    if (JS_IsException(value) || JS_ToFloat64(context, &deadline, value) < 0)
        uncaught_exception();
    if (deadline != deadline) {
        JS_ThrowTypeError(context, "poll must return a time, it returned NaN");
        uncaught_exception();
    }
    JS_FreeValue(context, value);
    return deadline;
}

static void run(void)
{
    for (;;) {
        run_jobs();
        limit_garbage(runtime, NULL);
        if (JS_IsUndefined(engine.poll))
            return;
        double deadline = poll();
        if (JS_IsJobPending(runtime) || rejection_count > 0)
            continue;
        if (deadline < 9e18) {
            if (deadline > 0)
                plat_yield((uint64_t)deadline);
        } else if (engine.can_be_woken) {
            plat_yield(UINT64_MAX);
        } else {
            printf("nothing left to wait for\n");
            return;
        }
    }
}

int app_main(const struct plat_start *start)
{
    engine.start = start;
    engine.poll = JS_UNDEFINED;
    read_payload(start);
    for (unsigned i = 0; i < start->memory_count; i++)
        heap_add(start->memory[i].start, start->memory[i].len);
    start_engine(start->stack_bytes);
    start_program();
    run();
    return 0;
}
