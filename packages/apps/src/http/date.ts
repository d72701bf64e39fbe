/** Dates as HTTP writes them (RFC 9110 §5.6.7). */
import type { WallClock } from '@mirage-ts/signatures/time'

/** Makes a function that gives the current IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`, built once a second at most. */
export function createHttpDate(clock: WallClock): () => string {
  let second = Number.NaN
  let text = ''
  return () => {
    const now = Math.floor(clock.now() / 1_000_000)
    if (now !== second) {
      second = now
      text = httpDate(second)
    }
    return text
  }
}

/** The IMF-fixdate of `seconds` since 1970. */
export function httpDate(seconds: number): string {
  // ECMAScript defines this text, and it is just that of RFC 9110.
  return new Date(seconds * 1000).toUTCString()
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const TIME = '(?<time>\\d\\d:\\d\\d:\\d\\d)'

/** IMF-fixdate, then the two that are obsolete and to be read all the same: RFC 850 and asctime. */
const FORMS: readonly RegExp[] = [
  new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d\\d) (?<month>[A-Z][a-z]{2}) (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d\\d)-(?<month>[A-Z][a-z]{2})-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
]

/**
 * Reads a date; `undefined` when it is none. In seconds since 1970, as is `near`: a year of two digits is taken for the last
 * one that is not more than 50 years after it.
 */
export function parseHttpDate(text: string, near: number): number | undefined {
  for (const form of FORMS) {
    const { day = '', month = '', year = '', time = '' } = form.exec(text)?.groups ?? {}
    if (!MONTHS.includes(month)) continue
    const century =
      year.length === 4 ? 0 : Math.floor((new Date(near * 1000).getUTCFullYear() + 50 - Number(year)) / 100)
    const fullYear = String(century * 100 + Number(year)).padStart(4, '0')
    const monthNumber = String(MONTHS.indexOf(month) + 1).padStart(2, '0')
    const moment = new Date(`${fullYear}-${monthNumber}-${day.replace(' ', '0')}T${time}Z`)
    // Some engines take 31 April for 1 May.
    return moment.getUTCDate() === Number(day) ? moment.getTime() / 1000 : undefined
  }
  return undefined
}
