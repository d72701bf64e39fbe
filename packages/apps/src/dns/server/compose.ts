/** Makes the octets of an answer of what `resolve.ts` has found. */
import { FLAG, HEADER_LEN, putRr } from '../wire/message.ts'
import { type Name, ROOT } from '../wire/name.ts'
import { RCODE } from '../wire/types.ts'
import type { WireWriter } from '../wire/wire.ts'
import { type RrSet, rrsOf } from '../zone/zone.ts'
import type { QueryView } from './query-view.ts'
import { ReadyAnswer } from './ready.ts'
import type { Resolution } from './resolve.ts'

/**
 * Writes what was found behind the question of `query`, which is for `name` and lies in `octets`. What does not fit any message is
 * SERVFAIL; of what only helps, as much as fits.
 */
export function composeAnswer(
  writer: WireWriter,
  octets: Uint8Array,
  query: QueryView,
  name: Name,
  resolution: Resolution,
): ReadyAnswer {
  const bodyOff = query.end
  writer.start()
  writer.putBytes(octets.subarray(0, bodyOff))
  writer.noteName(name, HEADER_LEN)
  const answerCount = putSets(writer, resolution.answers)
  const authorityCount = putSets(writer, resolution.authorities)
  const glueCount = putSets(writer, resolution.glue)
  const neededLen = writer.pos - bodyOff
  let flags = resolution.rcode | (resolution.isAuthoritative ? FLAG.AUTHORITATIVE : 0)
  const rateHash = resolution.isExact ? query.hash : hashOf(resolution)
  if (writer.hasOverflowed) {
    // More than any message can hold.
    flags = RCODE.SERVFAIL
    return new ReadyAnswer(flags, [0, 0, 0, 0], new Uint8Array(0), 0, rateHash)
  }
  let additionalCount = glueCount
  for (const set of resolution.additionals) {
    const off = writer.pos
    const count = putSets(writer, [set])
    if (writer.hasOverflowed) writer.rewind(off)
    else additionalCount += count
  }
  const body = writer.u8.slice(bodyOff, writer.pos)
  return new ReadyAnswer(flags, [answerCount, authorityCount, glueCount, additionalCount], body, neededLen, rateHash)
}

/** Writes sets; the caller looks at `hasOverflowed`. */
function putSets(writer: WireWriter, sets: readonly RrSet[]): number {
  let count = 0
  for (const set of sets) {
    for (const rr of rrsOf(set)) putRr(writer, rr)
    count += set.rdatas.length
  }
  return count
}

/** All answers of a zone that are not to names of it count together: names made up are without number. */
function hashOf(resolution: Resolution): number {
  let hash = resolution.rcode
  const origin = resolution.zone?.origin ?? ROOT
  for (let i = 0; i < origin.length; i++) hash = Math.imul(hash ^ origin.charCodeAt(i), 0x01000193)
  return hash
}
