/** Conditional requests by entity tag and by date (RFC 9110 §8.8, §13). */
import { parseHttpDate } from './date.ts'
import type { Fields } from './fields.ts'

/** An entity tag, weak or strong, anywhere in a list; a tag may have commas in it. */
const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g

/**
 * What the conditions of a GET or HEAD make of a representation whose strong tag is `"opaque"`: 412, 304, or nothing when
 * it is to be sent (RFC 9110 §13.2.2). `modified` is when it last changed, in seconds since 1970; without it, conditions by
 * date are not heeded.
 */
export function checkConditions(fields: Fields, opaque: string, modified?: number): 412 | 304 | undefined {
  const ifMatch = fields.get('if-match')
  if (ifMatch === undefined) {
    if (isModifiedSince(fields.get('if-unmodified-since'), modified) === true) return 412
  } else if (!matches(ifMatch, opaque, true)) {
    return 412
  }
  // A tag says more than a date: the date is for those who know no tags (§13.1.3).
  const ifNoneMatch = fields.get('if-none-match')
  const isKnown =
    ifNoneMatch === undefined
      ? isModifiedSince(fields.get('if-modified-since'), modified) === false
      : matches(ifNoneMatch, opaque, false)
  return isKnown ? 304 : undefined
}

/** `undefined` when there is nothing to compare: a field that is no date is not heeded (RFC 9110 §13.1.3, §13.1.4). */
function isModifiedSince(field: string | undefined, modified: number | undefined): boolean | undefined {
  if (field === undefined || modified === undefined) return undefined
  const since = parseHttpDate(field, modified)
  return since === undefined ? undefined : modified > since
}

/**
 * RFC 9110 §13.1.5: true when a Range field is to be heeded. A date is not: within its second a file may change
 * twice (§8.8.2.2), and sending all of it is always right.
 */
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
