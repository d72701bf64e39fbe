/* What test262 expects of the host: INTERPRETING.md of test262. */
#ifndef MIRAGE_TEST262_HOST_H
#define MIRAGE_TEST262_HOST_H

#include "quickjs.h"

enum {
    REALMS_MAX = 64, /* of one test */
    TEXT_BYTES = 400,
};

/* What became of a test that ends by calling $DONE. */
extern struct outcome {
    unsigned done_count;
    char error[TEXT_BYTES]; /* what the first call got; empty for success */
} outcome;

/* Set while a test is compiled, which finds the modules that it names, too. */
extern bool is_compiling;
/* Modules, or attributes of imports, that were looked at since then. */
extern unsigned import_count;

/* A new realm with the object $262 and the compiler, freed by host_free_realms. */
JSContext *host_new_realm(JSRuntime *runtime);
void host_free_realms(void);

/* Defines the function $DONE. */
void host_add_done(JSContext *ctx);

/* Modules come from the archive. */
void host_add_modules(JSRuntime *runtime);

/* An error as one line, with the place it was thrown at. */
void host_describe(JSContext *ctx, JSValueConst error, char text[TEXT_BYTES]);

#endif
