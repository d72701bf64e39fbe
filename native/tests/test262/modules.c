/* Modules of tests: files of the archive, as JavaScript or as JSON. */
#include <string.h>

#include "archive.h"
#include "host.h"

bool is_compiling;
unsigned import_count;

static int set_json(JSContext *ctx, JSModuleDef *module)
{
    return JS_SetModuleExport(ctx, module, "default",
                              JS_GetModulePrivateValue(ctx, module));
}

static JSModuleDef *load_json(JSContext *ctx, const char *name,
                              const struct file *file)
{
    JSValue value =
        JS_ParseJSON(ctx, archive_text(file->off), file->len, name);
    if (JS_IsException(value))
        return NULL;
    JSModuleDef *module = JS_NewCModule(ctx, name, set_json);
    if (!module) {
        JS_FreeValue(ctx, value);
        return NULL;
    }
    JS_AddModuleExport(ctx, module, "default");
    JS_SetModulePrivateValue(ctx, module, value);
    return module;
}

static bool is_json(JSContext *ctx, JSValueConst attributes)
{
    if (!JS_IsObject(attributes))
        return false;
    JSValue type = JS_GetPropertyStr(ctx, attributes, "type");
    const char *text = JS_ToCString(ctx, type);
    bool result = text && !strcmp(text, "json");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, type);
    return result;
}

static JSModuleDef *load(JSContext *ctx, const char *name, void *opaque,
                         JSValueConst attributes)
{
    const struct file *file = archive_find(name);
    (void)opaque;
    import_count++;
    if (!file) {
        JS_ThrowReferenceError(ctx, "no module '%s'", name);
        return NULL;
    }
    if (is_json(ctx, attributes))
        return load_json(ctx, name, file);
    JSValue module = JS_Eval(ctx, archive_text(file->off), file->len, name,
                             JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(module))
        return NULL;
    JSModuleDef *def = JS_VALUE_GET_PTR(module);
    JS_FreeValue(ctx, module); /* the context keeps it */
    return def;
}

/* `type` alone is supported; else ECMA-262 (AllImportAttributesSupported) wants
 * a SyntaxError of a declaration, a TypeError of import(). */
static int check_attributes(JSContext *ctx, void *opaque,
                            JSValueConst attributes)
{
    JSPropertyEnum *names;
    uint32_t count;
    int status = 0;
    (void)opaque;
    import_count++;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, attributes,
                               JS_GPN_ENUM_ONLY | JS_GPN_STRING_MASK))
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = JS_AtomToCString(ctx, names[i].atom);
        if (status == 0 && (!name || strcmp(name, "type"))) {
            const char *text = "import attribute '%s' is not supported";
            if (is_compiling)
                JS_ThrowSyntaxError(ctx, text, name ? name : "?");
            else
                JS_ThrowTypeError(ctx, text, name ? name : "?");
            status = -1;
        }
        JS_FreeCString(ctx, name);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return status;
}

void host_add_modules(JSRuntime *runtime)
{
    JS_SetModuleLoaderFunc2(runtime, NULL, load, check_attributes, NULL);
}
