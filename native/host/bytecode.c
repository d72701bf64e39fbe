/*
 * mirage-bytecode: compiles one ES module to the bytecode section of a payload
 * (include/payload.h).
 *
 *   mirage-bytecode INPUT.js OUTPUT.bin [--name NAME]
 *
 * NAME appears in stack traces; default: INPUT's last path component.  The
 * source text is left out, line numbers and function names stay.  The only
 * import allowed is 'mirage:native'.  The same input gives the same output.
 *
 * The header says which parts of the language's library the program needs:
 * those whose names it contains as words, wherever they stand.  So it may ask
 * for a part that it does not use, but a program that uses one finds it: code
 * cannot be made at run time.
 */
#include <ctype.h>
#include <stdbool.h>
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

static void write_output(const uint8_t *bytecode, size_t len, uint32_t needed)
{
    struct bytecode_header header = {
        .magic = {'M', 'I', 'R', 'A', 'G', 'E', 'B', 'C'},
        .engine_id = ENGINE_ID,
        .features = needed,
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

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static bool has_word(const char *source, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = source; (at = strstr(at, word)); at += len)
        if ((at == source || !is_word_byte(at[-1])) && !is_word_byte(at[len]))
            return true;
    return false;
}

static uint32_t features_by_name(const char *source, bool has_literals)
{
    static const struct {
        uint32_t feature;
        const char *word;
    } words[] = {
        {FEATURE_DATE, "Date"},
        {FEATURE_JSON, "JSON"},
        {FEATURE_MAPSET, "Map"},
        {FEATURE_MAPSET, "Set"},
        {FEATURE_MAPSET, "WeakMap"},
        {FEATURE_MAPSET, "WeakSet"},
        {FEATURE_PROXY, "Proxy"},
        {FEATURE_WEAKREF, "WeakRef"},
        {FEATURE_WEAKREF, "FinalizationRegistry"},
        /* The methods make a RegExp of a string. */
        {FEATURE_REGEXP, "RegExp"},
        {FEATURE_REGEXP, "match"},
        {FEATURE_REGEXP, "matchAll"},
        {FEATURE_REGEXP, "search"},
    };
    uint32_t needed = has_literals ? FEATURE_REGEXP : 0;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (has_word(source, words[i].word))
            needed |= words[i].feature;
    return needed;
}

/* A context whose parser takes regular expressions, or refuses them. */
static JSContext *new_context(bool takes_regexp)
{
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *ctx = runtime ? JS_NewContextRaw(runtime) : NULL;
    if (!ctx || JS_AddIntrinsicBaseObjects(ctx) || JS_AddIntrinsicEval(ctx) ||
        JS_AddIntrinsicPromise(ctx) ||
        (takes_regexp && JS_AddIntrinsicRegExp(ctx))) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    JS_SetModuleLoaderFunc(runtime, NULL, load_module, NULL);
    return ctx;
}

static JSValue compile(JSContext *ctx, const char *source, size_t len,
                       const char *name)
{
    return JS_Eval(ctx, source, len, name,
                   JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
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

    size_t source_len, len;
    char *source = read_input(&source_len);
    JSContext *ctx = new_context(false);
    JSValue module = compile(ctx, source, source_len, name);
    bool has_literals = JS_IsException(module);
    if (has_literals) { /* or something is wrong */
        ctx = new_context(true);
        module = compile(ctx, source, source_len, name);
    }
    if (JS_IsException(module) || JS_ResolveModule(ctx, module) < 0)
        fail(ctx, name);
    uint8_t *bytecode =
        JS_WriteObject(ctx, &len, module,
                       JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    if (!bytecode)
        fail(ctx, name);
    write_output(bytecode, len, features_by_name(source, has_literals));
    return 0;
}
