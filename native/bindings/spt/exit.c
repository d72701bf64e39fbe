/* Ending the process. */
#include "process.h"

_Noreturn void plat_exit(int status)
{
    for (;;)
        linux_call3(SYS_exit_group, status & PLAT_STATUS_MAX, 0, 0);
}

_Noreturn void plat_restart(int status)
{
    plat_exit(status); /* whoever started the process can do so again */
}
