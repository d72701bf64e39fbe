/* The parts of 'mirage:native', each in its file. */
#ifndef MIRAGE_MODULE_H
#define MIRAGE_MODULE_H

#include "quickjs.h"

struct functions {
    const JSCFunctionListEntry *entries;
    int count;
};

#define FUNCTIONS(list) {list, sizeof list / sizeof *list}

extern const struct functions bus_functions, device_functions,
    octets_functions, pure_functions;

#endif
