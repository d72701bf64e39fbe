/*
 * Level-triggered lines, as PCI has them: on q35 with an e1000, whose
 * "interrupt cause set" register raises its line until the cause is read.
 */
#include "test.h"

enum {
    PCI_ADDRESS = 0xcf8,
    PCI_DATA = 0xcfc,
    E1000 = 0x100e8086,
    E1000_CAUSE = 0xc0,     /* reading acknowledges */
    E1000_CAUSE_SET = 0xc8, /* writing raises */
    E1000_MASK_SET = 0xd0,
    LINK_CHANGED = 4,
    FIRST_PCI_LINE = 16,
    LINES = 24,
};

static uint32_t pci_read(unsigned slot, unsigned at)
{
    plat_port_write(PCI_ADDRESS, 4, 0x80000000u | slot << 11 | at);
    return plat_port_read(PCI_DATA, 4);
}

static uint64_t wait(void)
{
    uint64_t from = plat_clock_monotonic_us();
    plat_yield(from + 300000);
    return plat_clock_monotonic_us() - from;
}

int app_main(const struct plat_start *start)
{
    unsigned slot = 0;
    uint32_t cause;
    (void)start;

    while (slot < 32 && pci_read(slot, 0) != E1000)
        slot++;
    check(slot < 32);
    uint64_t base = pci_read(slot, 0x10) & ~15u;
    pci_read(slot, 4);
    plat_port_write(PCI_DATA, 4, 6); /* memory, bus master */
    for (unsigned line = FIRST_PCI_LINE; line < LINES; line++)
        check(plat_irq_enable(line, true, true) == PLAT_OK);
    check(plat_mmio_write(base + E1000_MASK_SET, 4, LINK_CHANGED) == PLAT_OK);

    for (int i = 0; i < 50; i++) {
        plat_mmio_write(base + E1000_CAUSE_SET, 4, LINK_CHANGED);
        check(wait() < 200000);
        /* Not acknowledged: still raised, so the next wait ends as well. */
        check(wait() < 200000);
        plat_mmio_read(base + E1000_CAUSE, 4, &cause);
        check(cause & LINK_CHANGED);
        /* One wake may be left over, then it is quiet. */
        if (i % 10 == 0) {
            wait();
            check(wait() >= 300000);
        }
    }
    print("SUCCESS\n");
    return 0;
}
