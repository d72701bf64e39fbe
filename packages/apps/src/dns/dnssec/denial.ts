/**
 * The chain that proves what is not in a signed zone: which names have a record of it, in which order, and what it says. By NSEC
 * records (RFC 4034 §4) or NSEC3 records (RFC 5155).
 */
import { compareNames, type NameKey } from '../wire/name.ts'
import { nsecBitMaps, nsecRdataOf, typeBitMaps } from '../wire/nsec.ts'
import { TYPE } from '../wire/types.ts'
import { type Nsec3Hashing, nsec3BitMaps, nsec3Owner, nsec3Rdata } from './nsec3.ts'

/** How a zone shows what is not there. */
export type Denial =
  | { readonly kind: 'nsec' }
  | {
      readonly kind: 'nsec3'
      readonly hashing: Nsec3Hashing
      /** Delegations that are not signed have no records: for zones that are mostly such. */
      readonly isOptOut: boolean
    }

/** What signing makes, and so makes anew. */
export const MADE_TYPES: readonly number[] = [TYPE.RRSIG, TYPE.NSEC, TYPE.NSEC3, TYPE.NSEC3PARAM]

/** What a zone has to do with one of its names: `occluded` is below a delegation or a DNAME record (RFC 4035 §2.2, RFC 6672 §2.4). */
export type NameKind = 'own' | 'delegation' | 'occluded'

/** True for the types at a name that the zone speaks for, and so signs (RFC 4035 §2.2). */
export function isSpokenFor(type: number, kind: NameKind): boolean {
  return kind === 'own' || (kind === 'delegation' && type === TYPE.DS)
}

export class Chain {
  readonly type: number
  private readonly origin: NameKey
  private readonly denial: Denial

  constructor(origin: NameKey, denial: Denial) {
    this.origin = origin
    this.denial = denial
    this.type = denial.kind === 'nsec' ? TYPE.NSEC : TYPE.NSEC3
  }

  /** True when names without records, above others, have a place in it (RFC 5155 §7.1); they have none with NSEC. */
  get hasEmptyNames(): boolean {
    return this.denial.kind === 'nsec3'
  }

  get isOptOut(): boolean {
    return this.denial.kind === 'nsec3' && this.denial.isOptOut
  }

  /** Whether a name of that kind, with records of those types, has a place in it. */
  includes(kind: NameKind, types: readonly number[]): boolean {
    if (kind === 'occluded') return false
    if (this.denial.kind === 'nsec' || !this.denial.isOptOut || kind === 'own') return true
    return types.includes(TYPE.DS)
  }

  ownerOf(key: NameKey): NameKey {
    return this.denial.kind === 'nsec' ? key : nsec3Owner(key, this.origin, this.denial.hashing)
  }

  /** Orders owners. */
  compare(a: NameKey, b: NameKey): number {
    if (this.denial.kind === 'nsec') return compareNames(a, b)
    return a < b ? -1 : a === b ? 0 : 1
  }

  /** What a record says of a name with records of `types`, as bit maps. */
  bitMaps(kind: NameKind, types: readonly number[]): string {
    const shown = types.filter((type) => isSpokenFor(type, kind) || type === TYPE.NS)
    // A NSEC record is at the name itself, and signed; with NSEC3 there are signatures when there is something to sign.
    if (this.denial.kind === 'nsec') return typeBitMaps([...shown, TYPE.RRSIG, TYPE.NSEC])
    return typeBitMaps(shown.some((type) => isSpokenFor(type, kind)) ? [...shown, TYPE.RRSIG] : shown)
  }

  /** The bit maps of a record of the chain. */
  bitMapsIn(rdata: Uint8Array): string {
    return this.denial.kind === 'nsec' ? nsecBitMaps(rdata) : nsec3BitMaps(rdata)
  }

  rdata(next: NameKey, bitMaps: string): Uint8Array {
    const { denial } = this
    if (denial.kind === 'nsec') return nsecRdataOf(next, bitMaps)
    return nsec3Rdata(denial.hashing, denial.isOptOut, next, bitMaps)
  }
}
