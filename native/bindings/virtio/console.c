/* Console: the first 16550 serial port, polled. */
#include "machine.h"

enum {
    PORT = 0x3f8,
    DATA = PORT,
    INTERRUPT_ENABLE = PORT + 1,
    FIFO_CONTROL = PORT + 2,
    LINE_CONTROL = PORT + 3,
    MODEM_CONTROL = PORT + 4,
    LINE_STATUS = PORT + 5,
    TRANSMITTER_EMPTY = 0x20, /* its FIFO takes more */
    ALL_SENT = 0x40,
    FIFO_BYTES = 16,
    DRAIN_READS = 1000000, /* each a microsecond or more */
};

static SEALED bool present;

void console_start(void)
{
    present = inb(LINE_STATUS) != 0xff; /* what an absent port reads */
    if (!present)
        return;
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x80); /* divisor latch: 115200 baud */
    outb(DATA, 1);
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x03); /* 8 bits, no parity, 1 stop bit */
    outb(FIFO_CONTROL, 0x07); /* on, both cleared */
    outb(MODEM_CONTROL, 0x03);
}

void plat_console_write(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (present && len > 0) {
        size_t burst = len < FIFO_BYTES ? len : FIFO_BYTES;
        while (!(inb(LINE_STATUS) & TRANSMITTER_EMPTY))
            __asm__ volatile("pause");
        for (size_t i = 0; i < burst; i++)
            outb(DATA, at[i]);
        at += burst;
        len -= burst;
    }
}

/* What is in the FIFO is lost when the machine stops; a host that takes nothing
 * for a second loses it. */
void console_drain(void)
{
    for (int i = 0; present && i < DRAIN_READS; i++) {
        if (inb(LINE_STATUS) & ALL_SENT)
            return;
        __asm__ volatile("pause");
    }
}
