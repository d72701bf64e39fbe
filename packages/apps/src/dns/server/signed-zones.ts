/**
 * The zones of a server that it signs itself. What changes one is done with a copy, which takes the zone's place when it is
 * signed: keys may take their time, and nothing is served that is not signed. Changes of one zone wait for each other.
 */

import { MADE_TYPES } from '../dnssec/denial.ts'
import type { ZoneSigner } from '../dnssec/zone-signer.ts'
import type { Message } from '../wire/message.ts'
import type { NameKey } from '../wire/name.ts'
import { RCODE, TYPE } from '../wire/types.ts'
import type { Zone } from '../zone/zone.ts'
import { ZoneEdit } from '../zone/zone-edit.ts'
import { editFor } from './update.ts'

/** Updates of one zone that wait; one more is refused. */
const MAX_WAITING = 32

interface SignedZone {
  readonly signer: ZoneSigner
  /** Settles when the last change has been made. */
  last: Promise<unknown>
  waitingCount: number
}

export class SignedZones {
  private readonly zones = new Map<NameKey, SignedZone>()
  private readonly get: (origin: NameKey) => Zone | undefined
  private readonly put: (origin: NameKey, zone: Zone) => void

  /** `get` and `put` are the server's zone of a name, and a signed one in its place. */
  constructor(get: (origin: NameKey) => Zone | undefined, put: (origin: NameKey, zone: Zone) => void) {
    this.get = get
    this.put = put
  }

  has(origin: NameKey): boolean {
    return this.zones.has(origin)
  }

  /** Signs the zone of that name now, and whatever changes in it from now on. Rejects with what `signer` throws. */
  async add(origin: NameKey, signer: ZoneSigner): Promise<void> {
    const zone = this.get(origin)
    if (zone !== undefined) this.put(origin, await signer.sign(zone))
    this.zones.set(origin, { signer, last: Promise.resolve(), waitingCount: 0 })
  }

  /** Signs all of a zone again, with the next serial. Rejects with what its signer throws; then the zone stays as it is. */
  async renew(origin: NameKey): Promise<void> {
    await this.change(origin, async (copy, signer) => {
      new ZoneEdit(copy).raiseSerial(true)
      return await signer.sign(copy)
    })
  }

  /** Carries out an update; resolves to its response code. Rejects with what the zone's signer throws; then nothing has changed. */
  async update(origin: NameKey, message: Message): Promise<number> {
    // RFC 3007 §4.3: what signing makes is not for others to change.
    if (message.authorities.some(({ type }) => MADE_TYPES.includes(type) || type === TYPE.DNSKEY)) return RCODE.REFUSED
    if ((this.zones.get(origin)?.waitingCount ?? 0) >= MAX_WAITING) return RCODE.SERVFAIL
    let rcode: number = RCODE.NOERROR
    await this.change(origin, async (copy, signer) => {
      const edit = editFor(copy, message)
      if (typeof edit === 'number') {
        rcode = edit
        return undefined
      }
      await signer.resign(edit)
      return edit.commit() === undefined ? undefined : copy
    })
    return rcode
  }

  /** Puts what `make` makes of a copy in the zone's place, when all changes before have been made. */
  private async change(
    origin: NameKey,
    make: (copy: Zone, signer: ZoneSigner) => Promise<Zone | undefined>,
  ): Promise<void> {
    const signed = this.zones.get(origin)
    if (signed === undefined) return
    const before = signed.last
    const changing = (async () => {
      // Whoever asked for it has heard if that failed.
      await before.catch(() => {})
      const zone = this.get(origin)
      const changed = zone === undefined ? undefined : await make(zone.clone(), signed.signer)
      if (changed !== undefined) this.put(origin, changed)
    })()
    signed.last = changing
    signed.waitingCount++
    try {
      await changing
    } finally {
      signed.waitingCount--
    }
  }
}
