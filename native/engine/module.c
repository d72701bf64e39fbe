/*
 * The module 'mirage:native': all that JavaScript sees of the machine.  The
 * declaration with the contracts is packages/metal/src/native.d.ts; each function
 * checks its arguments before it touches anything.
 */
#include <string.h>

#include "arguments.h"
#include "engine.h"
#include "heap.h"
#include "module.h"

static JSValue console_write(JSContext *ctx, JSValueConst self, int argc,
                             JSValueConst *argv)
{
    struct span span;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span))
        return JS_EXCEPTION;
    plat_console_write(span.start, span.len);
    return JS_UNDEFINED;
}

/*
 * The engine's UTF-8 has surrogates without their other half as three octets,
 * ED A0 80 to ED BF BF: U+FFFD goes out for them.
 */
static JSValue console_print(JSContext *ctx, JSValueConst self, int argc,
                             JSValueConst *argv)
{
    size_t len, from = 0;
    (void)self, (void)argc;
    if (!JS_IsString(argv[0]))
        return JS_ThrowTypeError(ctx, "text must be a string");
    const char *text = JS_ToCStringLen(ctx, &len, argv[0]);
    if (!text)
        return JS_EXCEPTION;
    const char *at = memchr(text, 0xed, len);
    for (; at; at = memchr(at + 1, 0xed, len - (size_t)(at + 1 - text)))
        if ((uint8_t)at[1] >= 0xa0) {
            plat_console_write(text + from, (size_t)(at - text) - from);
            plat_console_write("\xef\xbf\xbd", 3);
            from = (size_t)(at - text) + 3;
        }
    plat_console_write(text + from, len - from);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

static JSValue monotonic_us(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewInt64(ctx, (int64_t)plat_clock_monotonic_us());
}

static JSValue wall_us(JSContext *ctx, JSValueConst self, int argc,
                       JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewInt64(ctx, (int64_t)plat_clock_wall_us());
}

static JSValue entropy_fill(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    struct span span;
    (void)self, (void)argc;
    if (!get_span(ctx, argv, &span) || !is_mutable(ctx, span))
        return JS_EXCEPTION;
    if (plat_entropy_fill(span.start, span.len) != PLAT_OK)
        return JS_ThrowPlainError(
            ctx, "This processor has no working random number generator");
    return JS_UNDEFINED;
}

static JSValue entropy_available(JSContext *ctx, JSValueConst self, int argc,
                                 JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    return JS_NewBool(ctx, plat_entropy_available());
}

static JSValue set_poll(JSContext *ctx, JSValueConst self, int argc,
                        JSValueConst *argv)
{
    (void)self, (void)argc;
    if (!JS_IsFunction(ctx, argv[0]))
        return JS_ThrowTypeError(ctx, "poll must be a function");
    JS_FreeValue(ctx, engine.poll);
    engine.poll = JS_DupValue(ctx, argv[0]);
    return JS_UNDEFINED;
}

static JSValue exit_machine(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    uint64_t status;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "status", PLAT_STATUS_MAX, &status))
        return JS_EXCEPTION;
    plat_exit((int)status);
}

static JSValue restart_machine(JSContext *ctx, JSValueConst self, int argc,
                               JSValueConst *argv)
{
    uint64_t status;
    (void)self, (void)argc;
    if (!get_integer(ctx, argv[0], "status", PLAT_STATUS_MAX, &status))
        return JS_EXCEPTION;
    plat_restart((int)status);
}

static JSValue asset(JSContext *ctx, JSValueConst self, int argc,
                     JSValueConst *argv)
{
    uint64_t index;
    (void)self, (void)argc;
    if (engine.asset_count == 0)
        return JS_ThrowRangeError(ctx, "this image has no assets");
    if (!get_integer(ctx, argv[0], "index", engine.asset_count - 1, &index))
        return JS_EXCEPTION;
    const struct payload_section *s = engine.sections;
    for (;; s++)
        if (s->kind == PAYLOAD_ASSET && index-- == 0)
            break;
    JSValue buffer =
        JS_NewArrayBuffer(ctx, (uint8_t *)engine.start->payload + s->off,
                          s->len, NULL, NULL, false);
    if (!JS_IsException(buffer))
        JS_SetImmutableArrayBuffer(buffer, true);
    return buffer;
}

static JSValue memory(JSContext *ctx, JSValueConst self, int argc,
                      JSValueConst *argv)
{
    struct heap_usage usage = heap_usage();
    (void)self, (void)argc, (void)argv;
    JSValue result = JS_NewObject(ctx);
    if (JS_IsException(result) ||
        !set_size(ctx, result, "totalBytes", engine.start->total_bytes) ||
        !set_size(ctx, result, "heapBytes", usage.total) ||
        !set_size(ctx, result, "usedBytes", usage.used))
        return JS_EXCEPTION;
    return result;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("consoleWrite", 3, console_write),
    JS_CFUNC_DEF("consolePrint", 1, console_print),
    JS_CFUNC_DEF("monotonicUs", 0, monotonic_us),
    JS_CFUNC_DEF("wallUs", 0, wall_us),
    JS_CFUNC_DEF("entropyFill", 3, entropy_fill),
    JS_CFUNC_DEF("entropyAvailable", 0, entropy_available),
    JS_CFUNC_DEF("setPoll", 1, set_poll),
    JS_CFUNC_DEF("exit", 1, exit_machine),
    JS_CFUNC_DEF("restart", 1, restart_machine),
    JS_CFUNC_DEF("asset", 1, asset),
    JS_CFUNC_DEF("memory", 0, memory),
};

static const struct functions general_functions = FUNCTIONS(functions);

static const struct functions *const lists[] = {
    &general_functions, &bus_functions, &device_functions, &octets_functions,
    &pure_functions};

enum { LIST_COUNT = sizeof lists / sizeof *lists };

static int fill(JSContext *ctx, JSModuleDef *m)
{
    const struct {
        const char *name;
        JSValue value;
    } constants[] = {
        {"abiVersion", JS_NewInt32(ctx, PAYLOAD_ABI)},
        {"target", JS_NewString(ctx, plat_target)},
        {"commandLine", JS_NewString(ctx, engine.start->command_line)},
        {"assetCount", JS_NewUint32(ctx, engine.asset_count)},
        {"netHeadroom", JS_NewInt32(ctx, PLAT_NET_HEADROOM)},
        {"netReceiveMin", JS_NewInt32(ctx, PLAT_NET_RECEIVE_MIN)},
        {"netCount", JS_NewUint32(ctx, plat_net_count())},
        {"blockCount", JS_NewUint32(ctx, plat_block_count())},
    };

    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (JS_SetModuleExport(ctx, m, constants[i].name, constants[i].value))
            return -1;
    for (size_t i = 0; i < LIST_COUNT; i++)
        if (JS_SetModuleExportList(ctx, m, lists[i]->entries, lists[i]->count))
            return -1;
    return 0;
}

JSModuleDef *module_define(JSContext *ctx, const char *name)
{
    static const char *const constants[] = {"abiVersion", "target",
                                            "commandLine", "assetCount",
                                            "netHeadroom", "netReceiveMin",
                                            "netCount", "blockCount"};
    JSModuleDef *m = JS_NewCModule(ctx, name, fill);
    if (!m)
        return NULL;
    for (size_t i = 0; i < LIST_COUNT; i++)
        if (JS_AddModuleExportList(ctx, m, lists[i]->entries, lists[i]->count))
            return NULL;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (JS_AddModuleExport(ctx, m, constants[i]) < 0)
            return NULL;
    return m;
}
