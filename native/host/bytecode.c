/*
 * mirage-bytecode: compiles one ES module to the bytecode section of a payload
 * (include/payload.h).
 *
 *   mirage-bytecode INPUT.js OUTPUT.bin [--name NAME]
 *
 * NAME appears in stack traces; default: INPUT's last path component.  The
 * source text is left out, line numbers and function names stay.  The only
 * import allowed is 'mirage:native'.  The same input gives the same output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "quickjs.h"

static const char *input, *output;

static char *read_input(size_t *len)
{
    FILE *file = fopen(input, "rb");
    long size;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0) {
        perror(input);
        exit(1);
    }
    rewind(file);
    char *text = calloc((size_t)size + 1, 1); /* the parser wants a final 0 */
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size) {
        perror(input);
        exit(1);
    }
    fclose(file);
    *len = (size_t)size;
    return text;
}

static void write_output(const uint8_t *bytecode, size_t len)
{
    struct bytecode_header header = {
        .magic = {'M', 'I', 'R', 'A', 'G', 'E', 'B', 'C'},
        .engine_id = ENGINE_ID,
    };
    FILE *file = fopen(output, "wb");
    if (!file || fwrite(&header, sizeof header, 1, file) != 1 ||
        fwrite(bytecode, 1, len, file) != len || fclose(file)) {
        perror(output);
        remove(output);
        exit(1);
    }
}

static int define_nothing(JSContext *ctx, JSModuleDef *m)
{
    (void)ctx, (void)m;
    return 0;
}

/* Compiling only asks whether an imported module exists. */
static JSModuleDef *load_module(JSContext *ctx, const char *name, void *opaque)
{
    (void)opaque;
    if (!strcmp(name, "mirage:native"))
        return JS_NewCModule(ctx, name, define_nothing);
    JS_ThrowReferenceError(
        ctx, "cannot import '%s': a bundle may only import 'mirage:native'",
        name);
    return NULL;
}

/* "file:line:column: SyntaxError: ..." from the exception's message and stack,
 * whose first line is "    at file:line:column". */
static _Noreturn void fail(JSContext *ctx, const char *name)
{
    JSValue error = JS_GetException(ctx);
    const char *text = JS_ToCString(ctx, error);
    const char *stack =
        JS_ToCString(ctx, JS_GetPropertyStr(ctx, error, "stack"));
    const char *at = stack ? strstr(stack, name) : NULL;
    if (at)
        fprintf(stderr, "%.*s: ", (int)strcspn(at, ")\n"), at);
    else
        fprintf(stderr, "%s: ", name);
    fprintf(stderr, "%s\n", text ? text : "out of memory");
    exit(1);
}

int main(int argc, char **argv)
{
    const char *name = NULL;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--name") && i + 1 < argc)
            name = argv[++i];
        else if (argv[i][0] != '-' && !input)
            input = argv[i];
        else if (argv[i][0] != '-' && !output)
            output = argv[i];
        else
            input = output = NULL, i = argc;
    }
    if (!input || !output) {
        fprintf(stderr,
                "usage: mirage-bytecode INPUT.js OUTPUT.bin [--name NAME]\n");
        return 2;
    }
    if (!name)
        name = strrchr(input, '/') ? strrchr(input, '/') + 1 : input;

    JSRuntime *runtime = JS_NewRuntime();
    JSContext *ctx = runtime ? JS_NewContext(runtime) : NULL;
    if (!ctx) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    JS_SetModuleLoaderFunc(runtime, NULL, load_module, NULL);

    size_t source_len, len;
    char *source = read_input(&source_len);
    JSValue module = JS_Eval(ctx, source, source_len, name,
                             JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(module) || JS_ResolveModule(ctx, module) < 0)
        fail(ctx, name);
    uint8_t *bytecode =
        JS_WriteObject(ctx, &len, module,
                       JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    if (!bytecode)
        fail(ctx, name);
    write_output(bytecode, len);
    return 0;
}
