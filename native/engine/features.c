/*
 * The parts of the language's library that a program can do without
 * (include/payload.h).  This file alone is compiled for each set of them, with
 * FEATURES naming it: what is not named is not linked.
 */
#include "engine.h"

const uint32_t features = FEATURES;

int features_add(JSContext *ctx)
{
    if ((FEATURES & FEATURE_DATE && JS_AddIntrinsicDate(ctx)) ||
        (FEATURES & FEATURE_REGEXP && JS_AddIntrinsicRegExp(ctx)) ||
        (FEATURES & FEATURE_JSON && JS_AddIntrinsicJSON(ctx)) ||
        (FEATURES & FEATURE_PROXY && JS_AddIntrinsicProxy(ctx)) ||
        (FEATURES & FEATURE_MAPSET && JS_AddIntrinsicMapSet(ctx)) ||
        (FEATURES & FEATURE_WEAKREF && JS_AddIntrinsicWeakRef(ctx)))
        return -1;
    return 0;
}
