/*
 * The arithmetic of KVM's and Xen's clock, on a made-up page, on the host and
 * under sanitizers: against numbers worked out by hand and against a slower way
 * to compute the same, and against a host that writes all the time.
 */
#include <inttypes.h>
#include <pthread.h>

#include "../check.h"
#include "pvclock.h"

static uint64_t state = 1;

static uint64_t random_bits(unsigned count)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> (64 - count);
}

static void known_values(void)
{
    struct pvclock_time copy;
    /* 2.5 GHz, as KVM has it: 0.4 ns a cycle is 0.8 times half a cycle. */
    struct pvclock_time page = {.version = 2,
                                .tsc = 1000,
                                .system_ns = 500,
                                .multiplier = 3435973837u,
                                .shift = -1};

    CHECK(pvclock_read(&page, &copy));
    CHECK(pvclock_ns(&copy, 1000) == 500);
    CHECK(pvclock_ns(&copy, 1000 + 2500000000u) == 500 + 1000000000u);
    CHECK(pvclock_ns(&copy, 999) == 500); /* never back */
    CHECK(pvclock_hz(&copy) / 1000 == 2499999 || pvclock_hz(&copy) == 2500000000u);

    /* 500 MHz: 2 ns a cycle is half of the cycle twice doubled. */
    page.multiplier = 1u << 31;
    page.shift = 2;
    CHECK(pvclock_read(&page, &copy));
    CHECK(pvclock_ns(&copy, 1500) == 500 + 1000);
    CHECK(pvclock_hz(&copy) == 500000000);

    /* A century of cycles does not overflow. */
    CHECK(pvclock_ns(&copy, 1000 + (1ull << 60)) == 500 + (1ull << 61));

    /* Flags say whether other processors agree and whether the guest was
     * stopped: neither changes what one processor reads. */
    page.flags = 3;
    CHECK(pvclock_read(&page, &copy) && copy.flags == 3);
    CHECK(pvclock_ns(&copy, 1500) == 1500);
}

static void like_a_slower_way(void)
{
    for (int i = 0; i < 200000; i++) {
        struct pvclock_time time = {
            .tsc = random_bits(40),
            .system_ns = random_bits(50),
            .multiplier = (uint32_t)random_bits(32) | 1u << 31,
            .shift = (int8_t)((int)random_bits(4) - 8),
        };
        uint64_t cycles = random_bits(44);
        long double wanted = (long double)cycles * time.multiplier / 4294967296.0L;
        for (int s = time.shift; s > 0; s--)
            wanted *= 2;
        for (int s = time.shift; s < 0; s++)
            wanted /= 2;
        uint64_t got = pvclock_ns(&time, time.tsc + cycles) - time.system_ns;
        long double error = wanted - (long double)got;
        CHECK(error > -1 && error < 2);
        /* A second has as many cycles as the frequency says. */
        uint64_t hz = pvclock_hz(&time);
        uint64_t second = pvclock_ns(&time, time.tsc + hz) - time.system_ns;
        uint64_t slack = 1000000000 / (hz >> (time.shift < 0 ? -time.shift : 0)) + 2;
        CHECK(second <= 1000000000 && second + slack >= 1000000000);
    }
}

static void nonsense(void)
{
    struct pvclock_time time, copy;
    struct pvclock_wall wall = {2, 1, 0}, wall_copy;

    time = (struct pvclock_time){.version = 2, .multiplier = 0};
    CHECK(!pvclock_read(&time, &copy));
    time = (struct pvclock_time){.version = 2, .multiplier = 1, .shift = 32};
    CHECK(!pvclock_read(&time, &copy));
    time.shift = -128;
    CHECK(!pvclock_read(&time, &copy));
    time = (struct pvclock_time){.version = 3, .multiplier = 1};
    CHECK(!pvclock_read(&time, &copy)); /* it writes for ever */

    CHECK(pvclock_read_wall(&wall, &wall_copy) && wall_copy.seconds == 1);
    wall.nanoseconds = 1000000000;
    CHECK(!pvclock_read_wall(&wall, &wall_copy));
    wall = (struct pvclock_wall){2, 0, 0}; /* a host that did not write */
    CHECK(!pvclock_read_wall(&wall, &wall_copy));
    wall = (struct pvclock_wall){1, 5, 0};
    CHECK(!pvclock_read_wall(&wall, &wall_copy));
}

static struct pvclock_time shared;
static volatile int is_done;

static void *host(void *unused)
{
    volatile struct pvclock_time *page = &shared;
    for (uint64_t i = 1; !is_done; i++) {
        page->version++;
        __sync_synchronize();
        page->tsc = i;
        page->system_ns = 2 * i;
        page->multiplier = (uint32_t)i | 1;
        page->shift = (int8_t)(i % 16);
        __sync_synchronize();
        page->version++;
    }
    return unused;
}

/* What is read belongs together, whenever it is read. */
static void while_the_host_writes(void)
{
    pthread_t thread;
    unsigned read_count = 0;
    shared.multiplier = 1;
    CHECK(pthread_create(&thread, NULL, host, NULL) == 0);
    for (int i = 0; i < 200000; i++) {
        struct pvclock_time copy;
        if (!pvclock_read(&shared, &copy))
            continue;
        read_count++;
        CHECK(copy.version % 2 == 0 && copy.system_ns == 2 * copy.tsc);
        CHECK(copy.tsc == 0 || (copy.multiplier == ((uint32_t)copy.tsc | 1) &&
                                copy.shift == (int8_t)(copy.tsc % 16)));
    }
    is_done = 1;
    pthread_join(thread, NULL);
    CHECK(read_count > 0);
}

int main(void)
{
    known_values();
    like_a_slower_way();
    nonsense();
    while_the_host_writes();
    printf("SUCCESS\n");
    return 0;
}
