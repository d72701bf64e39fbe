/*
 * The frequency of a counter by the PIT, on a made-up machine, on the host and
 * under sanitizers: counters from 400 MHz to 6 GHz, readings that take their
 * time, hosts that stop the machine, first readings at any moment.
 */
#include <stdbool.h>

#include "../check.h"
#include "calibration.h"

static uint64_t state = 1;

static uint64_t below(uint64_t end)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 20) % end;
}

/* The machine: what time it is, and how its clocks show it. */
static uint64_t now_ns, hz, pit_at_start;
static unsigned reading_ns; /* takes as long as this at most */
static bool stops;          /* now and then for up to 80 ms */

static struct clock_sample sample(void)
{
    uint64_t tsc = 12345 + (uint64_t)((unsigned __int128)now_ns * hz / 1000000000);
    now_ns += below(reading_ns + 1);
    uint64_t ticks = (uint64_t)((unsigned __int128)now_ns * PIT_HZ / 1000000000);
    now_ns += 2000 + below(2000);
    if (stops && below(300) == 0)
        now_ns += below(80000000);
    return (struct clock_sample){tsc, (uint16_t)(pit_at_start - ticks)};
}

static double off_by(uint64_t measured)
{
    double off = (double)measured / (double)hz - 1;
    return off < 0 ? -off : off;
}

/* The first reading after wait_ns; returns how long it took. */
static uint64_t first_reading(struct calibration *c, uint64_t wait_ns)
{
    now_ns = 1000;
    pit_at_start = below(65536);
    calibration_start(c, sample());
    CHECK(c->hz == 0 && c->due_tsc == 0);
    now_ns += wait_ns;
    uint64_t from = now_ns;
    for (int i = 0; c->hz == 0; i++) {
        CHECK(i < 100000);
        calibration_add(c, sample());
    }
    return now_ns - from;
}

static void any_machine(void)
{
    for (int i = 0; i < 20000; i++) {
        struct calibration c;
        hz = 400000000 + below(5600000000);
        reading_ns = 500;
        stops = false;
        uint64_t wait = below(2) ? below(3000000) : below(3000000000);
        uint64_t took = first_reading(&c, wait);
        CHECK(off_by(c.hz) < 0.01);
        CHECK(took < 300000 + 12 * 4500);
        /* What passed before counts, as long as nothing can have wrapped. */
        if (wait > 250000 && (wait + took) / 1000 * hz / 1000000 < 20000000)
            CHECK(took < 2 * 4500);

        /* Later, once, whenever somebody asks; then never again. */
        for (int j = 0; c.due_tsc != UINT64_MAX; j++) {
            CHECK(j < 4);
            now_ns += below(300000000);
            struct clock_sample next = sample();
            if (next.tsc >= c.due_tsc)
                calibration_add(&c, next);
            if (j == 0 || c.due_tsc != UINT64_MAX)
                now_ns += 50000000;
        }
        CHECK(off_by(c.hz) < 0.0001);
    }
}

/* A host that stops the machine while it measures, for more than a round of the
 * PIT, in every tenth of its readings. */
static void stopping_host(void)
{
    for (int i = 0; i < 5000; i++) {
        struct calibration c;
        hz = 1000000000 + below(3000000000);
        reading_ns = 3000;
        stops = true;
        first_reading(&c, below(100000000));
        CHECK(off_by(c.hz) < 0.04);
        for (int j = 0; c.due_tsc != UINT64_MAX; j++) {
            CHECK(j < 100);
            now_ns += 1000000 + below(60000000);
            struct clock_sample next = sample();
            if (next.tsc >= c.due_tsc)
                calibration_add(&c, next);
        }
        CHECK(off_by(c.hz) < 0.0005);
    }
}

/* Without a PIT every reading is the same: there is never an estimate. */
static void no_pit(void)
{
    struct calibration c;
    calibration_start(&c, (struct clock_sample){1, 0xffff});
    for (uint64_t tsc = 1000; tsc < 1ull << 33; tsc += 5000000)
        calibration_add(&c, (struct clock_sample){tsc, 0xffff});
    CHECK(c.hz == 0);
}

/* A machine that slept for minutes before it asked again begins anew. */
static void long_ago(void)
{
    struct calibration c;
    hz = 2500000000;
    reading_ns = 500;
    stops = false;
    first_reading(&c, 600000);
    now_ns += 300000000000;
    uint64_t before = c.hz;
    struct clock_sample next = sample();
    calibration_add(&c, next);
    CHECK(c.hz == before && c.due_tsc > next.tsc && c.due_tsc != UINT64_MAX);
    now_ns += 60000000;
    calibration_add(&c, sample());
    CHECK(c.due_tsc == UINT64_MAX && off_by(c.hz) < 0.0001);
}

int main(void)
{
    any_machine();
    stopping_host();
    no_pit();
    long_ago();
    printf("SUCCESS\n");
    return 0;
}
