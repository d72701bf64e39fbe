/* For the C test images: an app_main() that prints and checks. */
#ifndef MIRAGE_TEST_H
#define MIRAGE_TEST_H

#include "plat.h"

static inline void print(const char *text)
{
    size_t len = 0;
    while (text[len])
        len++;
    plat_console_write(text, len);
}

static inline void print_number(uint64_t value)
{
    char digits[20];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + value % 10);
    while (value /= 10);
    plat_console_write(digits + i, sizeof digits - i);
}

/* The first word of the command line is `word`. */
static inline bool asked_for(const struct plat_start *start, const char *word)
{
    const char *at = start->command_line;
    while (*word && *at == *word)
        at++, word++;
    return !*word && (!*at || *at == ' ');
}

/* A failed check ends the image with status 1. */
#define check(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            print("FAILED at line ");                                          \
            print_number(__LINE__);                                            \
            print(": " #condition "\n");                                       \
            plat_exit(1);                                                      \
        }                                                                      \
    } while (0)

#endif
