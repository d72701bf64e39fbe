/*
 * What the engine expects of a C library and musl's system-call-free members
 * do not give: memory, formatted output, time, abort.
 */
#include <assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "heap.h"
#include "plat.h"

FILE *const stdout = NULL; /* every stream is the console */

/*
 * The engine throws an Error when an allocation fails, for which it needs
 * memory again; without any, the program would catch a bare null.  So a part
 * is held back, given up by the first failure, and taken again once there is
 * plenty.
 */
enum { RESERVE = 32 * 1024 };
static void *reserve;

static void *keep_reserve(void *memory)
{
    if (memory && !reserve) {
        struct heap_usage usage = heap_usage();
        if (usage.total - usage.used > 4 * RESERVE)
            reserve = heap_alloc(RESERVE);
    } else if (!memory && reserve) {
        heap_free(reserve);
        reserve = NULL;
    }
    return memory;
}

void *malloc(size_t len)
{
    return keep_reserve(heap_alloc(len));
}

void *realloc(void *memory, size_t len)
{
    return keep_reserve(heap_realloc(memory, len));
}

void *calloc(size_t count, size_t size)
{
    size_t len;
    if (__builtin_mul_overflow(count, size, &len))
        return NULL;
    void *memory = malloc(len);
    return memory ? memset(memory, 0, len) : NULL;
}

void free(void *memory)
{
    heap_free(memory);
}

size_t malloc_usable_size(void *memory)
{
    return heap_usable(memory);
}

/* musl's strtod would refill a stream, with stdio and its locks behind; it
 * reads a string, which has no more to give. */
int __uflow(FILE *stream)
{
    (void)stream;
    return EOF;
}

_Noreturn void abort(void)
{
    plat_panic("the engine called abort");
}

_Noreturn void assertion_failed(const char *file, int line)
{
    static char text[64];
    snprintf(text, sizeof text, "assertion failed (%s:%d)", file, line);
    plat_panic(text);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    uint64_t us = clock == CLOCK_REALTIME ? plat_clock_wall_us()
                                          : plat_clock_monotonic_us();
    out->tv_sec = (time_t)(us / 1000000);
    out->tv_nsec = (long)(us % 1000000) * 1000;
    return 0;
}

/*
 * The engine asks for the first time when it starts, for a seed of Math.random.
 * It gets a random one, which nobody can guess, and for which nobody has to wait
 * until time can be told.
 */
int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    static bool is_seeded;
    uint64_t us;
    (void)zone;
    if (!is_seeded && plat_entropy_fill((uint8_t *)&us, sizeof us) == PLAT_OK)
        us /= 4; /* the engine's numbers have a sign */
    else
        us = plat_clock_wall_us();
    is_seeded = true;
    out->tv_sec = (time_t)(us / 1000000);
    out->tv_usec = (suseconds_t)(us % 1000000);
    return 0;
}

/* The engine reads only tm_gmtoff: local time is UTC. */
struct tm *localtime_r(const time_t *restrict time, struct tm *restrict out)
{
    (void)time;
    memset(out, 0, sizeof *out);
    return out;
}

/* Output of the formatter: a buffer of fixed length, or the console. */
struct sink {
    char *buffer;
    size_t size;   /* of the buffer; 0 with the console */
    size_t len;    /* written so far, also what did not fit */
    bool console;
};

static void put(struct sink *sink, const char *text, size_t len)
{
    if (sink->console) {
        plat_console_write(text, len);
    } else if (sink->len < sink->size) {
        size_t room = sink->size - sink->len;
        memcpy(sink->buffer + sink->len, text, len < room ? len : room);
    }
    sink->len += len;
}

static void pad(struct sink *sink, char c, int count)
{
    while (count-- > 0)
        put(sink, &c, 1);
}

struct spec {
    bool left, zero, plus, space;
    int width, precision; /* precision -1: not given */
};

/* Sign and digits, with precision and padding applied. */
static void put_number(struct sink *sink, struct spec s, uint64_t value,
                       bool negative, unsigned base, bool upper)
{
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[24], sign = negative ? '-' : s.plus ? '+' : s.space ? ' ' : 0;
    int count = 0;

    for (; value || (count == 0 && s.precision != 0); value /= base)
        digits[sizeof digits - 1 - count++] = alphabet[value % base];
    int zeros = s.precision > count ? s.precision - count : 0;
    int blanks = s.width - zeros - count - (sign != 0);
    if (s.zero && !s.left && s.precision < 0 && blanks > 0) {
        zeros = blanks;
        blanks = 0;
    }
    if (!s.left)
        pad(sink, ' ', blanks);
    if (sign)
        put(sink, &sign, 1);
    pad(sink, '0', zeros);
    put(sink, digits + sizeof digits - count, (size_t)count);
    if (s.left)
        pad(sink, ' ', blanks);
}

static void put_text(struct sink *sink, struct spec s, const char *text)
{
    size_t len = 0;
    while ((s.precision < 0 || len < (size_t)s.precision) && text[len])
        len++;
    if (!s.left)
        pad(sink, ' ', s.width - (int)len);
    put(sink, text, len);
    if (s.left)
        pad(sink, ' ', s.width - (int)len);
}

static int read_count(const char **at, va_list *arguments)
{
    int count = 0;
    if (**at == '*') {
        ++*at;
        return va_arg(*arguments, int);
    }
    for (; **at >= '0' && **at <= '9'; ++*at)
        count = count * 10 + **at - '0';
    return count;
}

/* printf without floating point, which the engine formats by itself. */
static void format(struct sink *sink, const char *at, va_list *arguments)
{
    while (*at) {
        const char *literal = at;
        while (*at && *at != '%')
            at++;
        put(sink, literal, (size_t)(at - literal));
        if (!*at++)
            return;

        struct spec s = {.precision = -1};
        for (;; at++) {
            if (*at == '-')
                s.left = true;
            else if (*at == '0')
                s.zero = true;
            else if (*at == '+')
                s.plus = true;
            else if (*at == ' ')
                s.space = true;
            else if (*at != '#')
                break;
        }
        s.width = read_count(&at, arguments);
        if (s.width < 0) {
            s.left = true;
            s.width = -s.width;
        }
        if (*at == '.') {
            at++;
            s.precision = read_count(&at, arguments);
        }
        bool is_long = false; /* long, long long, size_t...: all 64 bits */
        for (; *at == 'l' || *at == 'z' || *at == 'j' || *at == 't' ||
               *at == 'h';
             at++)
            is_long |= *at != 'h';

        char c = *at ? *at++ : '%';
        switch (c) {
        case 'd':
        case 'i': {
            int64_t v = is_long ? va_arg(*arguments, int64_t)
                                : va_arg(*arguments, int);
            put_number(sink, s, v < 0 ? -(uint64_t)v : (uint64_t)v, v < 0, 10,
                       false);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            put_number(sink, s,
                       is_long ? va_arg(*arguments, uint64_t)
                               : va_arg(*arguments, unsigned),
                       false, c == 'u' ? 10 : c == 'o' ? 8 : 16, c == 'X');
            break;
        case 'p':
            put(sink, "0x", 2);
            put_number(sink, s, (uint64_t)va_arg(*arguments, void *), false, 16,
                       false);
            break;
        case 'c': {
            char text[2] = {(char)va_arg(*arguments, int), 0};
            put_text(sink, s, text);
            break;
        }
        case 's': {
            const char *text = va_arg(*arguments, const char *);
            put_text(sink, s, text ? text : "(null)");
            break;
        }
        case 'a':
        case 'e':
        case 'f':
        case 'g':
            (void)va_arg(*arguments, double);
            put(sink, "?", 1);
            break;
        default:
            put(sink, &c, 1);
        }
    }
}

int vsnprintf(char *restrict buffer, size_t size, const char *restrict text,
              va_list arguments)
{
    struct sink sink = {.buffer = buffer, .size = size};
    va_list copy;
    va_copy(copy, arguments);
    format(&sink, text, &copy);
    va_end(copy);
    if (size > 0)
        buffer[sink.len < size ? sink.len : size - 1] = 0;
    return (int)sink.len;
}

int snprintf(char *restrict buffer, size_t size, const char *restrict text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    int len = vsnprintf(buffer, size, text, arguments);
    va_end(arguments);
    return len;
}

int vfprintf(FILE *restrict stream, const char *restrict text,
             va_list arguments)
{
    struct sink sink = {.console = true};
    va_list copy;
    (void)stream;
    va_copy(copy, arguments);
    format(&sink, text, &copy);
    va_end(copy);
    return (int)sink.len;
}

int fprintf(FILE *restrict stream, const char *restrict text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    int len = vfprintf(stream, text, arguments);
    va_end(arguments);
    return len;
}

int printf(const char *restrict text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    int len = vfprintf(NULL, text, arguments);
    va_end(arguments);
    return len;
}

int putchar(int c)
{
    char byte = (char)c;
    plat_console_write(&byte, 1);
    return (unsigned char)c;
}
