#include "calibration.h"

enum {
    ESTIMATE_TICKS = PIT_HZ / 4000, /* a quarter of a millisecond: 0.3 % */
    LONG_TICKS = PIT_HZ / 20,       /* 50 ms: good to 0.01 % */
    LONGEST_TICKS = PIT_HZ,
    HALVES_DIFFER = 16, /* parts of which two estimates may differ by one */
    SAMPLES_DIFFER = 64,
};

/* Counters run at 400 MHz or more: the PIT has not wrapped so soon. */
#define UNWRAPPED_CYCLES 20000000u

static uint64_t ticks_to_cycles(uint64_t ticks, uint64_t hz)
{
    return ticks * hz / PIT_HZ;
}

/* Ticks between two samples, if the PIT did not wrap. */
static uint16_t ticks_between(struct clock_sample a, struct clock_sample b)
{
    return (uint16_t)(a.pit - b.pit);
}

/* Wrong after an hour in which the host stopped us; such a value agrees with no
 * other. */
static uint64_t hz_of(uint64_t cycles, uint64_t ticks)
{
    return cycles * PIT_HZ / ticks;
}

static int is_near(uint64_t a, uint64_t b, unsigned parts)
{
    return (a > b ? a - b : b - a) <= b / parts;
}

/* From here on: what was before cannot be used. */
static void begin_anew(struct calibration *c, struct clock_sample now)
{
    c->from = now;
    c->due_tsc = now.tsc + ticks_to_cycles(LONG_TICKS, c->hz);
}

void calibration_start(struct calibration *c, struct clock_sample now)
{
    *c = (struct calibration){.from = now};
}

/*
 * Cycles in a second, roughly, or 0 when there is not enough yet.  When a host
 * stops us for a while the PIT may wrap unseen: two halves must agree.
 */
static uint64_t estimate(struct calibration *c, struct clock_sample now)
{
    uint64_t cycles = now.tsc - c->from.tsc;
    uint16_t ticks = ticks_between(c->from, now);
    if (cycles < UNWRAPPED_CYCLES)
        return ticks < ESTIMATE_TICKS ? 0 : hz_of(cycles, ticks);

    if (c->taken == 0) {
        c->first = now;
        c->taken = 1;
        return 0;
    }
    ticks = ticks_between(c->taken == 1 ? c->first : c->middle, now);
    if (ticks < ESTIMATE_TICKS / 2)
        return 0;
    if (c->taken == 1) {
        c->middle = now;
        c->taken = 2;
        return 0;
    }
    uint16_t before = ticks_between(c->first, c->middle);
    if (is_near(hz_of(c->middle.tsc - c->first.tsc, before),
                hz_of(now.tsc - c->middle.tsc, ticks), HALVES_DIFFER))
        return hz_of(now.tsc - c->first.tsc, (uint64_t)before + ticks);
    c->first = c->middle;
    c->middle = now;
    return 0;
}

void calibration_add(struct calibration *c, struct clock_sample now)
{
    if (!c->hz)
        c->hz = estimate(c, now);
    if (!c->hz)
        return;

    uint64_t cycles = now.tsc - c->from.tsc;
    if (cycles > ticks_to_cycles(LONGEST_TICKS, c->hz)) {
        begin_anew(c, now);
        return;
    }
    /* How often the PIT wrapped, what is known tells well enough. */
    uint64_t ticks = ticks_between(c->from, now);
    uint64_t expected = cycles * PIT_HZ / c->hz;
    while (ticks + 32768 < expected)
        ticks += 65536;
    uint64_t hz = ticks ? hz_of(cycles, ticks) : 0;
    if (!is_near(hz, c->hz, SAMPLES_DIFFER)) {
        begin_anew(c, now);
        return;
    }
    c->hz = hz;
    c->due_tsc = ticks < LONG_TICKS
                     ? c->from.tsc + ticks_to_cycles(LONG_TICKS, hz)
                     : UINT64_MAX;
}
