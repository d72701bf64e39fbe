/* The clock of PCs: see rtc.h. */
#include "rtc.h"

#include <stdbool.h>

enum {
    FORMAT = 0x0b, /* register B */
    HAS_24_HOURS = 2,
    IS_BINARY = 4,
    AFTERNOON = 0x80, /* beside the hour, of twelve */
    NO_CLOCK = 0xff,
    /* The clock changes once a second, for less than a millisecond. */
    READINGS_MAX = 1000,
};

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, CENTURY, FIELDS };
static const uint8_t registers[FIELDS] = {0, 2, 4, 7, 8, 9, 0x32};

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before_month[] = {0,   31,  59,  90,  120, 151,
                                            181, 212, 243, 273, 304, 334};
    unsigned y = month > 2 ? year : year - 1; /* leap day not yet passed */
    unsigned leap_days = y / 4 - y / 100 + y / 400;
    enum { LEAP_DAYS_1969 = 1969 / 4 - 1969 / 100 + 1969 / 400 };
    return (year - 1970) * 365ull + leap_days - LEAP_DAYS_1969 +
           before_month[month - 1] + day - 1;
}

/* Until two readings agree: no update came between. */
static bool read_twice(uint8_t (*read)(uint8_t at), unsigned t[FIELDS])
{
    for (int reading = 0; reading < READINGS_MAX; reading++) {
        bool same = true;
        for (int i = 0; i < FIELDS; i++)
            t[i] = read(registers[i]);
        for (int i = 0; i < FIELDS; i++)
            same &= read(registers[i]) == t[i];
        if (same)
            return true;
    }
    return false;
}

uint64_t rtc_read_us(uint8_t (*read)(uint8_t at))
{
    unsigned t[FIELDS], format = read(FORMAT);

    if (format == NO_CLOCK || !read_twice(read, t))
        return 0;
    bool is_afternoon = !(format & HAS_24_HOURS) && t[HOUR] & AFTERNOON;
    if (is_afternoon)
        t[HOUR] &= ~(unsigned)AFTERNOON;
    for (int i = 0; !(format & IS_BINARY) && i < FIELDS; i++)
        t[i] = (t[i] >> 4) * 10 + (t[i] & 15); /* BCD */
    if (!(format & HAS_24_HOURS))
        t[HOUR] = t[HOUR] % 12 + (is_afternoon ? 12 : 0);
    /* Not every clock has it, and where it has is for firmware to know. */
    unsigned century = t[CENTURY] >= 19 && t[CENTURY] <= 30 ? t[CENTURY] : 20;
    unsigned year = century * 100 + t[YEAR];
    if (year < 1970 || t[YEAR] > 99 || t[MONTH] < 1 || t[MONTH] > 12 ||
        t[DAY] < 1 || t[DAY] > 31 || t[HOUR] > 23 || t[MINUTE] > 59 ||
        t[SECOND] > 60)
        return 0;
    return ((days_since_1970(year, t[MONTH], t[DAY]) * 24 + t[HOUR]) * 3600 +
            t[MINUTE] * 60 + t[SECOND]) * 1000000ull;
}
