/* The object $262 and the functions $DONE and print. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct outcome outcome;

static JSContext *realms[REALMS_MAX];
static unsigned realm_count;

/* The first line of the stack, without its indentation. */
static void append_place(JSContext *ctx, JSValueConst error,
                         char text[TEXT_BYTES])
{
    JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
    const char *at = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
    if (at) {
        const char *line = at + strspn(at, " ");
        size_t len = strlen(text);
        snprintf(text + len, TEXT_BYTES - len, " %.*s",
                 (int)strcspn(line, "\n"), line);
        JS_FreeCString(ctx, at);
    }
    JS_FreeValue(ctx, stack);
}

void host_describe(JSContext *ctx, JSValueConst error, char text[TEXT_BYTES])
{
    const char *message = JS_ToCString(ctx, error);
    snprintf(text, TEXT_BYTES, "%.200s",
             message ? message : "an error that cannot be made a string");
    JS_FreeCString(ctx, message);
    if (JS_IsObject(error))
        append_place(ctx, error, text);
    JS_FreeValue(ctx, JS_GetException(ctx)); /* of the getters */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

static JSValue done(JSContext *ctx, JSValueConst self, int argc,
                    JSValueConst *argv)
{
    (void)self;
    outcome.done_count++;
    if (outcome.done_count == 1 && argc > 0 && JS_ToBool(ctx, argv[0]))
        host_describe(ctx, argv[0], outcome.error);
    return JS_UNDEFINED;
}

void host_add_done(JSContext *ctx)
{
    JSValue global = JS_GetGlobalObject(ctx);
    JS_SetPropertyStr(ctx, global, "$DONE",
                      JS_NewCFunction(ctx, done, "$DONE", 1));
    JS_FreeValue(ctx, global);
}

/* Nothing reads what tests print; and document.all gives null when called. */
static JSValue nothing(JSContext *ctx, JSValueConst self, int argc,
                       JSValueConst *argv)
{
    (void)ctx, (void)self, (void)argc, (void)argv;
    return JS_NULL;
}

static JSValue collect_garbage(JSContext *ctx, JSValueConst self, int argc,
                               JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    JS_RunGC(JS_GetRuntime(ctx));
    return JS_UNDEFINED;
}

static JSValue detach(JSContext *ctx, JSValueConst self, int argc,
                      JSValueConst *argv)
{
    (void)self, (void)argc;
    JS_DetachArrayBuffer(ctx, argv[0]);
    return JS_NULL;
}

static JSValue eval_script(JSContext *ctx, JSValueConst self, int argc,
                           JSValueConst *argv)
{
    size_t len;
    (void)self, (void)argc;
    const char *text = JS_ToCStringLen(ctx, &len, argv[0]);
    if (!text)
        return JS_EXCEPTION;
    JSValue result = JS_Eval(ctx, text, len, "evalScript", JS_EVAL_TYPE_GLOBAL);
    JS_FreeCString(ctx, text);
    return result;
}

static JSValue get_host_object(JSContext *ctx)
{
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue object = JS_GetPropertyStr(ctx, global, "$262");
    JS_FreeValue(ctx, global);
    return object;
}

static JSValue create_realm(JSContext *ctx, JSValueConst self, int argc,
                            JSValueConst *argv)
{
    (void)self, (void)argc, (void)argv;
    JSContext *realm = host_new_realm(JS_GetRuntime(ctx));
    return realm ? get_host_object(realm)
                 : JS_ThrowPlainError(ctx, "too many realms");
}

/* Not test262's, as is the next one: for tests of what this image makes of it. */
static JSValue leak(JSContext *ctx, JSValueConst self, int argc,
                    JSValueConst *argv)
{
    (void)ctx, (void)self, (void)argc, (void)argv;
    return malloc(100) ? JS_UNDEFINED : JS_NULL;
}

static JSValue crash(JSContext *ctx, JSValueConst self, int argc,
                     JSValueConst *argv)
{
    (void)ctx, (void)self, (void)argc, (void)argv;
    plat_panic("a test asked for it");
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("leak", 0, leak),
    JS_CFUNC_DEF("crash", 0, crash),
    JS_CFUNC_DEF("createRealm", 0, create_realm),
    JS_CFUNC_DEF("detachArrayBuffer", 1, detach),
    JS_CFUNC_DEF("evalScript", 1, eval_script),
    JS_CFUNC_DEF("gc", 0, collect_garbage),
};

JSContext *host_new_realm(JSRuntime *runtime)
{
    JSContext *ctx =
        realm_count == REALMS_MAX ? NULL : context_new(runtime);
    if (!ctx || JS_AddIntrinsicEval(ctx))
        return NULL;
    realms[realm_count++] = ctx;

    JSValue global = JS_GetGlobalObject(ctx);
    JSValue host = JS_NewObject(ctx);
    JSValue all = JS_NewCFunction(ctx, nothing, "IsHTMLDDA", 0);
    JS_SetIsHTMLDDA(ctx, all);
    JS_SetPropertyFunctionList(ctx, host, functions,
                               sizeof functions / sizeof *functions);
    JS_SetPropertyStr(ctx, host, "IsHTMLDDA", all);
    JS_SetPropertyStr(ctx, host, "global", JS_DupValue(ctx, global));
    JS_SetPropertyStr(ctx, global, "$262", host);
    JS_SetPropertyStr(ctx, global, "print",
                      JS_NewCFunction(ctx, nothing, "print", 1));
    JS_FreeValue(ctx, global);
    return ctx;
}

void host_free_realms(void)
{
    while (realm_count > 0)
        JS_FreeContext(realms[--realm_count]);
}
