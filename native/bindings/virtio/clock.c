/*
 * Time.  Monotonic time is KVM's clock where there is one, which the host keeps
 * right; else the time stamp counter, whose frequency comes from the processor
 * or hypervisor if they tell it, else from the PIT: measured since the start
 * when time is first asked for, and once more 50 ms after the start.  Wall time
 * is read once, from KVM's wall clock, or, when it is asked for, from the CMOS
 * clock.
 */
#include "calibration.h"
#include "machine.h"
#include "pvclock.h"
#include "rtc.h"

enum {
    PIT_CHANNEL_0 = 0x40,
    PIT_COMMAND = 0x43,
    PIT_RATE_GENERATOR = 0x34, /* channel 0, both bytes, mode 2 */
    PIT_LATCH = 0,
    SAMPLE_ATTEMPTS = 3,

    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71,

    KVM_FIRST_LEAF = 0x40000000,
    KVM_LAST_LEAF = 0x40010000, /* others may have taken the first */
    KVM_LEAF_STEP = 0x100,
    KVM_HAS_OLD_CLOCK = 1 << 0,
    KVM_HAS_CLOCK = 1 << 3,
    MSR_KVM_OLD_WALL_CLOCK = 0x11,
    MSR_KVM_OLD_SYSTEM_TIME = 0x12,
    MSR_KVM_WALL_CLOCK = 0x4b564d00,
    MSR_KVM_SYSTEM_TIME = 0x4b564d01,
};

/* Cycles a calibration may last before the PIT is declared dead. */
#define CALIBRATION_MAX_CYCLES (1ull << 32)

static SEALED uint64_t tsc_at_boot;
static struct calibration calibration;
static uint64_t us_per_cycle_32; /* microseconds * 2^32 per cycle */
static uint64_t wall_at_boot_us;
static bool has_wall_clock;
static uint64_t latest_us;

/* The host's page, and what was last read there. */
static volatile struct pvclock_time kvm_page __attribute__((aligned(64)));
static struct pvclock_time kvm_time;
static SEALED bool has_kvm_clock;
static SEALED uint64_t kvm_ns_at_boot;

static uint64_t cycles_to_us(uint64_t cycles)
{
    return (uint64_t)((unsigned __int128)cycles * us_per_cycle_32 >> 32);
}

static uint64_t kvm_us(void)
{
    struct pvclock_time time;
    if (pvclock_read(&kvm_page, &time))
        kvm_time = time;
    uint64_t ns = pvclock_ns(&kvm_time, rdtsc());
    return ns > kvm_ns_at_boot ? (ns - kvm_ns_at_boot) / 1000 : 0;
}

/* The tightest of a few attempts. */
static struct clock_sample take_sample(void)
{
    struct clock_sample best = {0, 0};
    uint64_t best_width = UINT64_MAX;

    for (int i = 0; i < SAMPLE_ATTEMPTS; i++) {
        uint64_t before = rdtsc();
        outb(PIT_COMMAND, PIT_LATCH);
        uint64_t after = rdtsc();
        uint16_t pit = inb(PIT_CHANNEL_0);
        pit |= (uint16_t)(inb(PIT_CHANNEL_0) << 8);
        if (after - before < best_width) {
            best_width = after - before;
            best = (struct clock_sample){before + best_width / 2, pit};
        }
    }
    return best;
}

static void set_hz(uint64_t hz)
{
    us_per_cycle_32 = (1000000ull << 32) / hz;
}

static void calibrate(void)
{
    uint64_t from = rdtsc();
    do {
        calibration_add(&calibration, take_sample());
        if (rdtsc() - from > CALIBRATION_MAX_CYCLES)
            plat_panic("no clock: the hypervisor tells no frequency, and "
                       "there is no PIT");
    } while (!calibration.hz);
    set_hz(calibration.hz);
}

uint64_t plat_clock_monotonic_us(void)
{
    uint64_t tsc = rdtsc();
    if (tsc >= calibration.due_tsc) {
        calibrate();
        tsc = rdtsc();
    }
    uint64_t now = has_kvm_clock ? kvm_us() : cycles_to_us(tsc - tsc_at_boot);
    if (now > latest_us)
        latest_us = now;
    return latest_us;
}

uint64_t clock_due_us(void)
{
    return calibration.due_tsc == UINT64_MAX
               ? UINT64_MAX
               : cycles_to_us(calibration.due_tsc - tsc_at_boot) + 1;
}

uint64_t clock_us_between(uint64_t from_tsc, uint64_t to_tsc)
{
    return cycles_to_us(to_tsc - from_tsc);
}

/* CPUID leaf of KVM's features, or 0. */
static uint32_t kvm_features(void)
{
    if (!(cpuid(1).ecx >> 31 & 1))
        return 0;
    for (uint32_t leaf = KVM_FIRST_LEAF; leaf < KVM_LAST_LEAF;
         leaf += KVM_LEAF_STEP) {
        struct cpuid signature = cpuid(leaf);
        if (signature.ebx == 0x4b4d564b && signature.ecx == 0x564b4d56 &&
            signature.edx == 0x4d) /* "KVMKVMKVM" */
            return cpuid(leaf + 1).eax;
    }
    return 0;
}

/* KVM's clock, when it is there: sets the wall clock, returns cycles/s. */
static uint64_t kvm_clock(void)
{
    static volatile struct pvclock_wall wall_page __attribute__((aligned(16)));
    struct pvclock_wall wall;
    uint32_t has = kvm_features();
    bool is_new = has & KVM_HAS_CLOCK;
    if (!is_new && !(has & KVM_HAS_OLD_CLOCK))
        return 0;

    wrmsr(is_new ? MSR_KVM_SYSTEM_TIME : MSR_KVM_OLD_SYSTEM_TIME,
          (uint64_t)&kvm_page | 1);
    wrmsr(is_new ? MSR_KVM_WALL_CLOCK : MSR_KVM_OLD_WALL_CLOCK,
          (uint64_t)&wall_page);
    plat_barrier();
    if (!pvclock_read(&kvm_page, &kvm_time)) {
        wrmsr(is_new ? MSR_KVM_SYSTEM_TIME : MSR_KVM_OLD_SYSTEM_TIME, 0);
        return 0;
    }
    has_kvm_clock = true;
    kvm_ns_at_boot = pvclock_ns(&kvm_time, tsc_at_boot);
    has_wall_clock = pvclock_read_wall(&wall_page, &wall);
    if (has_wall_clock)
        wall_at_boot_us = wall.seconds * 1000000ull +
                          (wall.nanoseconds + kvm_ns_at_boot) / 1000;
    return pvclock_hz(&kvm_time);
}

static uint64_t announced_hz(void)
{
    uint64_t hz = kvm_clock();
    if (hz)
        return hz;
    struct cpuid crystal = cpuid_checked(0x15);
    if (crystal.eax && crystal.ebx && crystal.ecx)
        return (uint64_t)crystal.ecx * crystal.ebx / crystal.eax;
    if (cpuid(1).ecx >> 31 & 1)
        return cpuid_checked(0x40000010).eax * 1000ull;
    return 0;
}

static uint8_t cmos(uint8_t at)
{
    outb(CMOS_INDEX, at);
    return inb(CMOS_DATA);
}

uint64_t plat_clock_wall_us(void)
{
    uint64_t now = plat_clock_monotonic_us();
    if (!has_wall_clock) {
        uint64_t wall = rtc_read_us(cmos);
        wall_at_boot_us = wall ? wall - now : 0;
        has_wall_clock = true;
    }
    return wall_at_boot_us + now;
}

void clock_start(void)
{
    tsc_at_boot = rdtsc();
    uint64_t hz = announced_hz();
    if (hz) {
        calibration.due_tsc = UINT64_MAX;
        set_hz(hz);
        return;
    }
    outb(PIT_COMMAND, PIT_RATE_GENERATOR);
    outb(PIT_CHANNEL_0, 0); /* 65536 ticks */
    outb(PIT_CHANNEL_0, 0);
    calibration_start(&calibration, take_sample());
}
