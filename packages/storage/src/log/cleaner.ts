/** Cleaning: what is still in use in a segment that is mostly not goes to the head of the log, so that the segment is free. */
import { NODE, parseRecord, RECORD_HEADER_LEN, VALUE } from './format.ts'
import { Entry } from './leaf.ts'
import type { Log } from './log.ts'
import { firstKeyOf } from './node.ts'
import type { Tree } from './tree.ts'
import { readOwner, type Values } from './values.ts'

/** Segments cleaned before one commit: they share the nodes that are written anew. */
const VICTIMS = 4

/** A segment that is in use beyond this share is left alone. */
const FULL = 0.97

/**
 * Moves what is in use out of the segments with the least of it, as far as the log has room for. Returns false when there
 * is none worth it. The caller commits: then they are free.
 */
export async function clean(log: Log, tree: Tree, values: Values, skip: ReadonlySet<number>): Promise<number[]> {
  const victims = chooseVictims(log, skip)
  for (const segment of victims) await cleanSegment(log, tree, values, segment)
  return victims
}

function chooseVictims(log: Log, skip: ReadonlySet<number>): number[] {
  const { segmentUnits } = log.geometry
  const victims: number[] = []
  let roomUnits = log.roomUnits - segmentUnits
  const chosen = new Set(skip)
  while (victims.length < VICTIMS) {
    let best = -1
    let bestUnits = segmentUnits * FULL
    for (let segment = 0; segment < log.live.length; segment++) {
      const units = log.live[segment] as number
      if (units < bestUnits && !chosen.has(segment) && log.isCleanable(segment)) {
        best = segment
        bestUnits = units
      }
    }
    // Moving a record may write every node above it anew: as much again.
    if (best < 0 || (victims.length > 0 && 2 * bestUnits > roomUnits)) break
    roomUnits -= 2 * bestUnits
    chosen.add(best)
    victims.push(best)
  }
  return victims
}

async function cleanSegment(log: Log, tree: Tree, values: Values, segment: number): Promise<void> {
  if (log.live[segment] === 0) return
  const { geometry } = log
  const u8 = await log.readSegment(segment)
  for (let off = 0; off < geometry.segmentUnits && log.live[segment] !== 0; ) {
    const info = parseRecord(geometry, u8, off * geometry.unitBytes)
    if (typeof info === 'string') {
      // Left over from an earlier round, or damaged: the next record begins at one of the next units.
      off++
      continue
    }
    const address = log.sectorOf(segment) + off
    const payloadOff = off * geometry.unitBytes + RECORD_HEADER_LEN
    if (info.type === NODE) await tree.move(info.level, firstKeyOf(u8, payloadOff), address)
    else if (info.type === VALUE) {
      const owner = readOwner(u8, payloadOff, info.payloadLen)
      const entry = owner === undefined ? undefined : await tree.get(owner.key)
      if (owner !== undefined && entry?.address === address && entry.crc === info.crc) {
        const octets = u8.subarray(owner.octetsOff, payloadOff + info.payloadLen)
        const pointer = await values.write(owner.key, octets)
        await tree.put(owner.key, new Entry(owner.key, entry.tag, entry.bytes, entry.sizeBytes, pointer))
        log.release(entry)
      }
    }
    off += info.units
  }
}
