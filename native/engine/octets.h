#ifndef MIRAGE_OCTETS_H
#define MIRAGE_OCTETS_H

#include "quickjs.h"

/*
 * Octets that stand for characters, in bulk: the functions of
 * packages/core/src/octets.ts, which is their contract.
 */
enum { OCTETS_FUNCTION_COUNT = 4 };
extern const JSCFunctionListEntry octets_functions[OCTETS_FUNCTION_COUNT];

#endif
