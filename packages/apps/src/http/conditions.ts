/** Conditional requests by entity tag (RFC 9110 §8.8.3, §13). Dates are not compared: stores do not have them. */
import type { Fields } from './fields.ts'

/** An entity tag, weak or strong, anywhere in a list; a tag may have commas in it. */
const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g

/**
 * What the conditions of a GET or HEAD make of a representation whose strong tag is `"opaque"`: 412, 304, or nothing when
 * it is to be sent (RFC 9110 §13.2.2).
 */
export function checkConditions(fields: Fields, opaque: string): 412 | 304 | undefined {
  const ifMatch = fields.get('if-match')
  if (ifMatch !== undefined && !matches(ifMatch, opaque, true)) return 412
  const ifNoneMatch = fields.get('if-none-match')
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, opaque, false)) return 304
  return undefined
}

/** RFC 9110 §13.1.5: true when a Range field is to be heeded. A date is none that we gave out. */
export function isRangeCurrent(fields: Fields, opaque: string): boolean {
  const ifRange = fields.get('if-range')
  return ifRange === undefined || ifRange === `"${opaque}"`
}

/** Compared strongly, a weak tag matches nothing (RFC 9110 §8.8.3.2). */
function matches(list: string, opaque: string, isStrong: boolean): boolean {
  if (list === '*') return true
  for (const [, weak, tag] of list.matchAll(ENTITY_TAG)) {
    if (tag === opaque && !(isStrong && weak !== undefined)) return true
  }
  return false
}
