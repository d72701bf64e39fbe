/* The door between the engine's main program and compiled functions. */
#ifndef MIRAGE_AOT_LOAD_H
#define MIRAGE_AOT_LOAD_H

#include <stdbool.h>

#include "quickjs.h"

/* A compiled function: see aot.h. */
struct aot_object;
typedef JSValue aot_function(JSContext *ctx, struct aot_object *self, JSValue this_value, int argc, JSValue *argv);

/*
 * What the compiler wrote about the program: generated beside the functions.  A runtime without compiled functions has
 * none of this (see none.c).
 */
extern const uint32_t aot_bytecode_checksum; /* of the bytecode that was compiled; 0: nothing was */
extern const uint32_t aot_function_count;    /* functions in that bytecode */
extern aot_function *const aot_functions[];  /* compiled ones by their number there; null: interpreted */

/* Gives a module's functions their compiled ones; false when it is not the module that was compiled. */
bool aot_load(JSContext *ctx, JSValueConst module, uint32_t count, aot_function *const *compiled);

#endif
