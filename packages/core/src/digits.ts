/** Reading digits without regular expressions, which would add 110 KB to an image that needs nothing else of them. */

const ZERO = 0x30
const NINE = 0x39
const LOWER_CASE = 0x20
const LOWER_A = 0x61
const LOWER_F = 0x66

/** The value of one to `maxCount` decimal digits and nothing else, else `undefined`. Exact up to 15 digits. */
export function parseDecimal(text: string, maxCount: number): number | undefined {
  const count = text.length
  if (count === 0 || count > maxCount) return undefined
  let value = 0
  for (let i = 0; i < count; i++) {
    const c = text.charCodeAt(i)
    if (c < ZERO || c > NINE) return undefined
    value = value * 10 + (c - ZERO)
  }
  return value
}

/** The value of one to `maxCount` hexadecimal digits of either case and nothing else, else `undefined`. Exact up to 13. */
export function parseHexadecimal(text: string, maxCount: number): number | undefined {
  const count = text.length
  if (count === 0 || count > maxCount) return undefined
  let value = 0
  for (let i = 0; i < count; i++) {
    const digit = hexDigit(text.charCodeAt(i))
    if (digit < 0) return undefined
    value = value * 16 + digit
  }
  return value
}

/** The value of a hexadecimal digit, -1 for any other character. */
function hexDigit(c: number): number {
  if (c >= ZERO && c <= NINE) return c - ZERO
  const letter = c | LOWER_CASE
  return letter >= LOWER_A && letter <= LOWER_F ? letter - LOWER_A + 10 : -1
}
