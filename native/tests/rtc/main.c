/*
 * The clock of PCs on a made-up machine, on the host and under sanitizers: each
 * way to write the time, against the host's C library; updates that come while
 * it is read, over midnight and over the year; clocks that show no time.
 */
#include <stdbool.h>
#include <time.h>

#include "../check.h"
#include "rtc.h"

/* The machine: what time it is, and how its clock shows it. */
static time_t now;
static bool is_binary, has_24_hours, has_century;
static unsigned reads_left; /* until the next second begins; 0: never */
static unsigned second_reads; /* reads that a second lasts then; 0: ever so many */

static uint8_t number(int value)
{
    return (uint8_t)(is_binary ? value : value / 10 << 4 | value % 10);
}

static uint8_t shown(uint8_t at)
{
    struct tm t;
    CHECK(gmtime_r(&now, &t));
    switch (at) {
    case 0: return number(t.tm_sec);
    case 2: return number(t.tm_min);
    case 4:
        if (has_24_hours)
            return number(t.tm_hour);
        return number((t.tm_hour + 11) % 12 + 1) | (t.tm_hour >= 12 ? 0x80 : 0);
    case 7: return number(t.tm_mday);
    case 8: return number(t.tm_mon + 1);
    case 9: return number(t.tm_year % 100);
    case 0x0b: return (uint8_t)((is_binary ? 4 : 0) | (has_24_hours ? 2 : 0));
    case 0x32: return has_century ? number(19 + t.tm_year / 100) : 0;
    default: CHECK(!"a register that is none of the clock's");
    }
    return 0;
}

static uint8_t read_clock(uint8_t at)
{
    uint8_t value = shown(at);
    if (reads_left > 0 && --reads_left == 0) {
        now++;
        reads_left = second_reads;
    }
    return value;
}

static uint8_t read_nothing(uint8_t at)
{
    (void)at;
    return 0xff;
}

static uint8_t read_zeros(uint8_t at)
{
    return at == 0x0b ? 2 : 0;
}

static uint64_t state = 1;

static uint64_t below(uint64_t end)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 20) % end;
}

int main(void)
{
    const time_t centuries_end = 4102444800; /* 2100-01-01 */

    for (int way = 0; way < 8; way++) {
        is_binary = way & 1;
        has_24_hours = way & 2;
        has_century = way & 4;
        for (int i = 0; i < 20000; i++) {
            /* Without the century it is taken for the 21st. */
            time_t from = has_century ? 0 : 946684800;
            now = from + (time_t)below((uint64_t)(centuries_end - from));
            if (i % 4 == 0)
                now -= now % 3600; /* noon and midnight are special */
            reads_left = second_reads = 0;
            CHECK(rtc_read_us(read_clock) == (uint64_t)now * 1000000);
        }
        /* The last second of a year, a month, a day, an hour ends at each of
         * the first reads: what is told was true before or after. */
        const time_t ends[] = {1798761599, 1709251199, 1700006399, 1700002799};
        for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
            for (unsigned at = 1; at < 40; at++) {
                now = ends[i];
                reads_left = at;
                second_reads = 0;
                uint64_t seconds = rtc_read_us(read_clock) / 1000000;
                CHECK(seconds == (uint64_t)ends[i] || seconds == (uint64_t)ends[i] + 1);
                CHECK(seconds >= (uint64_t)now - 1);
            }
    }
    CHECK(rtc_read_us(read_nothing) == 0);
    CHECK(rtc_read_us(read_zeros) == 0); /* the day 0 of month 0 */
    now = 1700000000;
    reads_left = second_reads = 3; /* it never stands still */
    CHECK(rtc_read_us(read_clock) == 0);
    return 0;
}
