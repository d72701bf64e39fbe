/* The number on the command line becomes the exit status. */
#include "test.h"

int app_main(const struct plat_start *start)
{
    int status = 0;
    for (const char *c = start->command_line; *c >= '0' && *c <= '9'; c++)
        status = status * 10 + *c - '0';
    return status;
}
