/*
 * How fast the time stamp counter runs, by the PIT, whose frequency is known but
 * which counts from 65536 down again every 55 ms.
 *
 * Nobody waits for it longer than for a first estimate, of a quarter of a
 * millisecond since the start; what is known later makes it better, once.
 *
 * Nothing here touches the machine: readings of both are arguments.
 */
#ifndef MIRAGE_CALIBRATION_H
#define MIRAGE_CALIBRATION_H

#include <stdint.h>

enum { PIT_HZ = 1193182 };

/* Both in the same moment. */
struct clock_sample {
    uint64_t tsc;
    uint16_t pit;
};

struct calibration {
    /* Cycles in a second as far as is known; 0: not yet. */
    uint64_t hz;
    /* When a sample is of use again; UINT64_MAX: never. */
    uint64_t due_tsc;

    struct clock_sample from;
    /* Of the first estimate, when the PIT may have wrapped since `from`. */
    struct clock_sample first, middle;
    unsigned taken; /* how many of the two there are */
};

void calibration_start(struct calibration *c, struct clock_sample now);

/* Takes a sample that is due.  As long as hz is 0 then, more are due at once. */
void calibration_add(struct calibration *c, struct clock_sample now);

#endif
