/** Signs a zone when it is loaded, what updates change in it, and all of it again before the signatures end. */
import { minutes } from '@mirage-ts/core/time'
import type { Duration, WallClock, WallInstant } from '@mirage-ts/signatures/time'
import type { ZoneKey } from '@mirage-ts/signatures/zone-key'
import { buildZone } from '../zone/build-zone.ts'
import type { Zone } from '../zone/zone.ts'
import type { ZoneEdit } from '../zone/zone-edit.ts'
import { resignZone } from './resign-zone.ts'
import { type DenialOptions, type SigningOptions, signZone } from './sign-zone.ts'

export interface ZoneSignerOptions {
  /** See {@link signZone}. */
  readonly keys: readonly ZoneKey[]
  /** How long signatures hold; all are made again when half of it has passed. Default 14 days. */
  readonly validity?: Duration
  /** For zones that are signed anew. Default NSEC. */
  readonly denial?: DenialOptions
}

export interface ZoneSigner {
  /** When a zone must be signed again that is signed now. */
  readonly renewAfter: Duration
  /** The zone, signed; rejects with a `TypeError` when the keys cannot sign it, and with what a key throws. */
  sign(zone: Zone): Promise<Zone>
  /** Signs what an edit of a signed zone has changed; rejects with what a key throws. */
  resign(edit: ZoneEdit): Promise<void>
}

const DEFAULT_VALIDITY = minutes(14 * 24 * 60)
/** Signatures hold from before they are made: clocks of others may be late. */
const LATE_CLOCKS = minutes(60)

export function createZoneSigner(
  { wallClock }: { readonly wallClock: WallClock },
  { keys, validity = DEFAULT_VALIDITY, denial = { kind: 'nsec' } }: ZoneSignerOptions,
): ZoneSigner {
  const options = (): SigningOptions => {
    const now = wallClock.now()
    return { keys, inception: (now - LATE_CLOCKS) as WallInstant, expiration: (now + validity) as WallInstant }
  }
  return {
    renewAfter: (validity / 2) as Duration,
    async sign(zone) {
      const signed = buildZone(zone.origin, await signZone(zone, { ...options(), denial }))
      // What was a zone is one with signatures.
      if (typeof signed === 'string') throw new TypeError(`Cannot sign a zone: ${signed}`)
      return signed
    },
    resign: (edit) => resignZone(edit, options()),
  }
}
