/*
 * Runs tests of test262, each in an engine of its own that is made as programs
 * have it, but with the compiler.  See tests/test262/run.ts, which starts it.
 *
 * Command line: FROM TO LIMIT_MS BYTECODE, the runs of the archive, the time for
 * each, and 1 when tests are to be compiled by another engine, written and read, as
 * programs are, without the text of functions.
 * Console: for each run ACK when it went as it must, or NAK, what went wrong, and
 * a line feed; at the end EOT.  Anything else is the report of a crash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "engine.h"
#include "heap.h"
#include "host.h"

#define ACK "\x06"
#define NAK "\x15"
#define EOT "\x04"

static const char STRICT[] = "\"use strict\";\n";

static size_t stack_bytes;
static uint64_t limit_us, deadline_us;
static bool is_bytecode;

/* Where a test ended, by the bits that say where it must. */
enum phase {
    ENDED = 0,
    IN_PARSE = RUN_NEGATIVE_PARSE,
    IN_RESOLUTION = RUN_NEGATIVE_RESOLUTION,
    AT_RUNTIME = RUN_NEGATIVE_RUNTIME,
    NEGATIVE = IN_PARSE | IN_RESOLUTION | AT_RUNTIME,
};

static int watch(JSRuntime *runtime, void *opaque)
{
    limit_garbage(runtime, opaque);
    return plat_clock_monotonic_us() > deadline_us;
}

static bool run_includes(JSContext *ctx, const struct run *run,
                         char why[TEXT_BYTES])
{
    const uint32_t *at = (const void *)(archive.start + run->includes_off);
    for (; *at != NO_FILE; at++) {
        const struct file *file = &archive.files[*at];
        JSValue result =
            JS_Eval(ctx, archive_text(file->off), file->len,
                    archive_text(file->name_off), JS_EVAL_TYPE_GLOBAL);
        if (JS_IsException(result)) {
            JSValue error = JS_GetException(ctx);
            host_describe(ctx, error, why);
            JS_FreeValue(ctx, error);
            return false;
        }
        JS_FreeValue(ctx, result);
    }
    return true;
}

static JSValue compile(JSContext *ctx, const struct run *run)
{
    const struct file *file = &archive.files[run->file];
    const char *text = archive_text(file->off);
    size_t len = file->len;
    char *copy = NULL;

    if (run->flags & RUN_STRICT) {
        copy = malloc(sizeof STRICT + len);
        if (!copy)
            return JS_ThrowOutOfMemory(ctx);
        memcpy(copy, STRICT, sizeof STRICT - 1);
        memcpy(copy + sizeof STRICT - 1, text, len + 1);
        text = copy;
        len += sizeof STRICT - 1;
    }
    import_count = 0;
    is_compiling = true;
    JSValue code = JS_Eval(ctx, text, len, archive_text(file->name_off),
                           JS_EVAL_FLAG_COMPILE_ONLY |
                               (run->flags & RUN_MODULE ? JS_EVAL_TYPE_MODULE
                                                        : JS_EVAL_TYPE_GLOBAL));
    is_compiling = false;
    free(copy);
    return code;
}

/* The same by way of bytecode. */
static JSValue compile_elsewhere(JSContext *ctx, const struct run *run)
{
    size_t len;
    JSContext *elsewhere = host_new_realm(JS_GetRuntime(ctx));
    if (!elsewhere)
        return JS_ThrowOutOfMemory(ctx);
    JSValue code = compile(elsewhere, run);
    if (JS_IsException(code))
        return code;
    uint8_t *bytes =
        JS_WriteObject(elsewhere, &len, code,
                       JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    JS_FreeValue(elsewhere, code);
    if (!bytes)
        return JS_EXCEPTION;
    code = JS_ReadObject(ctx, bytes, len, JS_READ_OBJ_BYTECODE);
    js_free(elsewhere, bytes);
    if (JS_IsException(code) || !(run->flags & RUN_MODULE) ||
        JS_ResolveModule(ctx, code) == 0)
        return code;
    JS_FreeValue(ctx, code);
    return JS_EXCEPTION;
}

static void run_jobs(JSRuntime *runtime)
{
    JSContext *ctx;
    int status;
    while ((status = JS_ExecutePendingJob(runtime, &ctx)) != 0)
        if (status < 0)
            JS_FreeValue(ctx, JS_GetException(ctx));
}

/* Runs the test itself; *error is what it threw unless it ended. */
static enum phase run_test(JSContext *ctx, const struct run *run,
                           JSValue *error)
{
    JSValue code =
        is_bytecode ? compile_elsewhere(ctx, run) : compile(ctx, run);
    enum phase phase = ENDED;

    if (JS_IsException(code)) {
        /* Once parsed, what a module imports is looked at. */
        phase = import_count > 0 ? IN_RESOLUTION : IN_PARSE;
    } else {
        /* Of a module, an exception is one of linking. */
        JSValue result = JS_EvalFunction(ctx, code);
        if (JS_IsException(result)) {
            phase = run->flags & RUN_MODULE ? IN_RESOLUTION : AT_RUNTIME;
        } else {
            run_jobs(JS_GetRuntime(ctx));
            if (run->flags & RUN_MODULE &&
                JS_PromiseState(ctx, result) != JS_PROMISE_FULFILLED) {
                *error = JS_PromiseState(ctx, result) == JS_PROMISE_REJECTED
                             ? JS_PromiseResult(ctx, result)
                             : JS_NewString(ctx, "the module never ends");
                JS_FreeValue(ctx, result);
                return AT_RUNTIME;
            }
            JS_FreeValue(ctx, result);
        }
    }
    if (phase != ENDED)
        *error = JS_GetException(ctx);
    return phase;
}

static bool is_named(JSContext *ctx, JSValueConst error, const char *name)
{
    JSValue constructor = JS_GetPropertyStr(ctx, error, "constructor");
    JSValue value = JS_GetPropertyStr(ctx, constructor, "name");
    const char *text = JS_ToCString(ctx, value);
    bool result = text && !strcmp(text, name);
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, value);
    JS_FreeValue(ctx, constructor);
    return result;
}

/* True when the test went as it must; else `why` tells what happened. */
static bool judge(JSContext *ctx, const struct run *run, enum phase phase,
                  JSValueConst error, char why[TEXT_BYTES])
{
    const char *wanted = archive_text(run->error_off);

    if (plat_clock_monotonic_us() > deadline_us) {
        snprintf(why, TEXT_BYTES, "took too long");
        return false;
    }
    if (phase != ENDED) {
        if (phase == (run->flags & NEGATIVE) && is_named(ctx, error, wanted))
            return true;
        host_describe(ctx, error, why);
        return false;
    }
    if (run->flags & NEGATIVE) {
        snprintf(why, TEXT_BYTES, "ended without the %s it must end with",
                 wanted);
        return false;
    }
    if (!(run->flags & RUN_ASYNC))
        return true;
    if (outcome.done_count != 1) {
        snprintf(why, TEXT_BYTES, "called $DONE %u times", outcome.done_count);
        return false;
    }
    memcpy(why, outcome.error, TEXT_BYTES);
    return !*why;
}

static bool run_one(const struct run *run, char why[TEXT_BYTES])
{
    bool is_right = false;
    free(malloc(1)); /* takes the reserve again that libc.c holds back */
    size_t used_before = heap_usage().used;
    JSRuntime *runtime = runtime_new(stack_bytes);
    JSContext *ctx = runtime ? host_new_realm(runtime) : NULL;
    if (!ctx)
        plat_panic("no memory for an engine");
    JS_SetInterruptHandler(runtime, watch, NULL);
    host_add_modules(runtime);
    memset(&outcome, 0, sizeof outcome);
    deadline_us = plat_clock_monotonic_us() + limit_us;
    if (run->flags & RUN_ASYNC)
        host_add_done(ctx);

    if (run_includes(ctx, run, why)) {
        JSValue error = JS_UNDEFINED;
        enum phase phase = run_test(ctx, run, &error);
        is_right = judge(ctx, run, phase, error, why);
        JS_FreeValue(ctx, error);
    }
    host_free_realms();
    JS_FreeRuntime(runtime);
    if (!heap_check())
        plat_panic("the heap is damaged");
    size_t used = heap_usage().used;
    if (is_right && used > used_before) {
        snprintf(why, TEXT_BYTES, "leaves %zu octets of memory in use",
                 used - used_before);
        return false;
    }
    return is_right;
}

static uint32_t read_number(const char **at)
{
    uint32_t value = 0;
    while (**at == ' ')
        ++*at;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = value * 10 + (uint32_t)(**at - '0');
    return value;
}

int app_main(const struct plat_start *start)
{
    static char why[TEXT_BYTES];
    const char *at = start->command_line;
    uint32_t from = read_number(&at), to = read_number(&at);

    limit_us = read_number(&at) * 1000ull;
    is_bytecode = read_number(&at) == 1;
    stack_bytes = start->stack_bytes;
    archive_open(start);
    for (unsigned i = 0; i < start->memory_count; i++)
        heap_add(start->memory[i].start, start->memory[i].len);
    for (uint32_t i = from; i < to && i < archive.run_count; i++)
        if (run_one(&archive.runs[i], why))
            printf(ACK);
        else
            printf(NAK "%s\n", why);
    printf(EOT);
    return 0;
}
