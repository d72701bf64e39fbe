/*
 * The clock of PCs that runs while they are off (Motorola MC146818 and what
 * took after it): what its registers say.
 *
 * Nothing here touches the machine: its registers are an argument.
 */
#ifndef MIRAGE_RTC_H
#define MIRAGE_RTC_H

#include <stdint.h>

/*
 * Microseconds from 1970 to what the clock shows, taken as UTC, to the second;
 * 0 when there is none, when it shows no time, or never the same one twice.
 */
uint64_t rtc_read_us(uint8_t (*read)(uint8_t at));

#endif
