/* For tests that run on the host, beside test.h for those that are images. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            printf("FAILED at line %d: %s\n", __LINE__, #condition);           \
            exit(1);                                                           \
        }                                                                      \
    } while (0)
