/* Small things every start needs: text, panics, the empty payload. */
#include "common.h"
#include "payload.h"

uint64_t thread_block[32];

/* Covered by the spare program header; a tool appends the real one. */
extern const struct payload_header empty_payload;
__attribute__((section(".payload"), used))
const struct payload_header empty_payload = {
    .magic = {'M', 'I', 'R', 'A', 'G', 'E', 'P', 'L'},
    .version = PAYLOAD_VERSION,
    .abi = PAYLOAD_ABI,
    .len = sizeof(struct payload_header),
};

void console_text(const char *text)
{
    size_t len = 0;
    while (text[len])
        len++;
    plat_console_write(text, len);
}

void console_hex(uint64_t value, unsigned digits)
{
    char text[16];
    for (unsigned i = digits; i-- > 0; value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    plat_console_write(text, digits);
}

uint64_t stack_bytes_for(uint64_t total)
{
    const uint64_t least = 0x40000; /* for machines of 4 MiB */
    const uint64_t most = 0x100000; /* about 1,500 nested JavaScript calls */
    uint64_t bytes = page_down(total / 16);
    return bytes < least ? least : bytes > most ? most : bytes;
}

_Noreturn void plat_panic(const char *reason)
{
    console_text("panic: ");
    console_text(reason);
    console_text("\n");
    plat_exit(PLAT_STATUS_PANIC);
}

/* Called by code compiled with -fstack-protector; musl's members use the
 * second name. */
_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail_local(void) __attribute__((alias("__stack_chk_fail")));
_Noreturn void __stack_chk_fail(void)
{
    plat_panic("a function overran its stack frame (stack smash detected)");
}
