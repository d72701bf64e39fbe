/** Byte ranges of a representation (RFC 9110 §14). */
import { listMembers } from './fields.ts'

/** Octets `off` to `end` of a representation; at least one. */
export interface ByteRange {
  readonly off: number
  readonly end: number
}

/** More ranges than that are not worth their answer (RFC 9110 §14.2): the whole is sent. */
const MAX_RANGE_COUNT = 16

/**
 * What a Range field asks for of `lenBytes` octets: ranges, in the order asked for; `unsatisfiable` when all of them lie
 * behind the end; `undefined` when the field is to be ignored, since it is malformed, of another unit or abusive.
 */
export function parseRange(field: string, lenBytes: number): readonly ByteRange[] | 'unsatisfiable' | undefined {
  const [, set] = /^bytes=(.*)$/i.exec(field) ?? []
  const members = set === undefined ? [] : listMembers(set)
  if (members.length === 0 || members.length > MAX_RANGE_COUNT) return undefined
  const ranges: ByteRange[] = []
  let sumBytes = 0
  for (const member of members) {
    const [, first = '', last = ''] = /^(\d{0,15})-(\d{0,15})$/.exec(member) ?? []
    if (first === '' && last === '') return undefined
    if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
    const off = first === '' ? Math.max(0, lenBytes - Number(last)) : Number(first)
    const end = first === '' || last === '' ? lenBytes : Math.min(lenBytes, Number(last) + 1)
    if (off >= end) continue
    sumBytes += end - off
    ranges.push({ off, end })
  }
  if (ranges.length === 0) return 'unsatisfiable'
  // Ranges that overlap until they are more than the whole only cost us.
  return sumBytes > lenBytes ? undefined : ranges
}

/** The value of a Content-Range field. */
export function contentRange({ off, end }: ByteRange, lenBytes: number): string {
  return `bytes ${off}-${end - 1}/${lenBytes}`
}
