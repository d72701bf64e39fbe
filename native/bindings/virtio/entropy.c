/* Entropy: RDSEED where the processor has it, else RDRAND. */
#include "machine.h"

enum { SEED_ATTEMPTS = 64, RAND_ATTEMPTS = 16 };

static SEALED bool has_rdseed, has_rdrand;

static bool rdseed(uint64_t *value)
{
    bool ok;
    __asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(ok) : : "cc");
    return ok;
}

static bool rdrand(uint64_t *value)
{
    bool ok;
    __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok) : : "cc");
    return ok;
}

/* RDSEED may run dry for a while, and RDRAND is then a good second choice. */
static bool random_word(uint64_t *value)
{
    for (int i = 0; has_rdseed && i < SEED_ATTEMPTS; i++) {
        if (rdseed(value))
            return true;
        __asm__ volatile("pause");
    }
    for (int i = 0; has_rdrand && i < RAND_ATTEMPTS; i++)
        if (rdrand(value))
            return true;
    return false;
}

void entropy_start(void)
{
    uint64_t a, b;

    has_rdseed = cpuid_checked(7).ebx >> 18 & 1;
    has_rdrand = cpuid(1).ecx >> 30 & 1;
    /* Some processors return a constant after resume: refuse those. */
    if (!random_word(&a) || !random_word(&b) || a == b)
        has_rdseed = has_rdrand = false;
}

bool plat_entropy_available(void)
{
    return has_rdseed || has_rdrand;
}

plat_result_t plat_entropy_fill(uint8_t *bytes, size_t len)
{
    while (len > 0) {
        uint64_t word;
        if (!random_word(&word))
            return PLAT_UNAVAILABLE;
        for (int i = 0; i < 8 && len > 0; i++, len--, word >>= 8)
            *bytes++ = (uint8_t)word;
    }
    return PLAT_OK;
}
