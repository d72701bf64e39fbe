/**
 * Answers that lie in a zone as they are sent: a set whose name stands in the zone, of a type whose data needs nothing besides. Most
 * queries are for those, and finding one costs the same however many names there are.
 */

import { TYPE } from '../wire/types.ts'
import type { Zone } from '../zone/zone.ts'
import type { ZoneDirectory } from '../zone/zone-directory.ts'

/** Types without names that would have their addresses added, or that lead elsewhere. */
const DIRECT_TYPES: readonly number[] = [TYPE.A, TYPE.AAAA, TYPE.TXT, TYPE.PTR, TYPE.CAA, TYPE.TLSA, TYPE.SSHFP]

const isDirect = new Uint8Array(512)
for (const type of DIRECT_TYPES) isDirect[type] = 1

/**
 * Looks for such an answer to the question of `type` for the name at `[off, end)` of `u8`. Returns the zone that has it, with the
 * place of the records in its `names`; `undefined` when the answer, if there is one, must be worked out.
 */
export function findDirectAnswer(
  zones: ZoneDirectory,
  u8: Uint8Array,
  off: number,
  end: number,
  type: number,
): Zone | undefined {
  if (isDirect[type] !== 1) return undefined
  const zone = zones.find(u8, off, end)
  if (zone === undefined) return undefined
  const { names } = zone
  const block = names.find(u8, off, end)
  if (block === 0 || !names.findSet(block, type)) return undefined
  return names.flaggedCount > 0 && isHidden(zone, u8, off, end) ? undefined : zone
}

/** True when the name is at or below a delegation or a DNAME record: those have the first word. */
function isHidden({ names, origin }: Zone, u8: Uint8Array, off: number, end: number): boolean {
  for (let at = off; end - at >= origin.length; at += 1 + (u8[at] as number)) {
    const block = names.find(u8, at, end)
    if (block !== 0 && names.isFlagged(block)) return true
    if (u8[at] === 0) break
  }
  return false
}
