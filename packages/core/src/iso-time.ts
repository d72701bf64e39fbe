/**
 * Wall time as text, without `Date`: an image whose log has times does not carry the engine's dates for that, and a line of
 * a log costs less.
 */
import type { WallInstant } from '@mirage-ts/signatures/time'

const DAY_US = 86_400_000_000
/** Days from 0000-03-01 to 1970-01-01 in the Gregorian calendar: years are counted from March, so that a leap day ends one. */
const EPOCH_DAYS = 719_468
/** Days of 400 years, of 100 without a leap year at the end, of 4, and of one. */
const DAYS_400 = 146_097
const DAYS_100 = 36_524
const DAYS_4 = 1461
const DAYS_1 = 365

/** `2023-11-14T22:13:20.123Z` (RFC 3339, to the millisecond, rounded down) for a moment that is exact in µs: to the year 2255. */
export function isoTime(moment: WallInstant): string {
  const days = Math.floor(moment / DAY_US)
  const ms = Math.floor((moment - days * DAY_US) / 1000)
  const seconds = (ms / 1000) | 0
  const minutes = (seconds / 60) | 0
  const time = `${two((minutes / 60) | 0)}:${two(minutes % 60)}:${two(seconds % 60)}.${three(ms % 1000)}Z`
  return `${isoDate(days)}T${time}`
}

/** `2023-11-14` for a number of days since 1970-01-01. */
function isoDate(daysSince1970: number): string {
  const days = daysSince1970 + EPOCH_DAYS
  const of400 = Math.floor(days / DAYS_400)
  let left = days - of400 * DAYS_400
  // The last day of a span is its leap day, the 29th of February: it begins no new century, or year.
  const of100 = Math.min(3, (left / DAYS_100) | 0)
  left -= of100 * DAYS_100
  const of4 = (left / DAYS_4) | 0
  left -= of4 * DAYS_4
  const of1 = Math.min(3, (left / DAYS_1) | 0)
  left -= of1 * DAYS_1
  // From March on, five months have 153 days: 31, 30, 31, 30, 31.
  const month = ((5 * left + 2) / 153) | 0
  const day = left - (((153 * month + 2) / 5) | 0) + 1
  const year = of400 * 400 + of100 * 100 + of4 * 4 + of1 + (month < 10 ? 0 : 1)
  return `${year < 1000 ? `0${three(year)}` : year}-${two(month < 10 ? month + 3 : month - 9)}-${two(day)}`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}

function three(value: number): string {
  return value < 100 ? `0${two(value)}` : `${value}`
}
