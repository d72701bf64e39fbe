/** When a DHCPv6 client sends a message again (RFC 8415 §15): each wait about twice the one before, with bounds. */
import type { Random } from '@mirage-ts/signatures/random'

/** Bounds of one kind of message, in seconds; 0 for none. */
export interface Retransmission {
  readonly firstSeconds: number
  readonly maxSeconds: number
  /** Messages in all. */
  readonly maxCount: number
}

// RFC 8415 §7.6
export const SOLICITING: Retransmission = { firstSeconds: 1, maxSeconds: 3600, maxCount: 0 }
export const REQUESTING: Retransmission = { firstSeconds: 1, maxSeconds: 30, maxCount: 10 }
export const RENEWING: Retransmission = { firstSeconds: 10, maxSeconds: 600, maxCount: 0 }
export const REBINDING: Retransmission = RENEWING
export const INFORMING: Retransmission = { firstSeconds: 1, maxSeconds: 3600, maxCount: 0 }
export const RELEASING: Retransmission = { firstSeconds: 1, maxSeconds: 0, maxCount: 4 }
export const DECLINING: Retransmission = RELEASING

/**
 * The next wait in µs after one of `previousUs`, 0 for the first. `maxSeconds` takes the place of the bound of `how` when a
 * server has said so (RFC 7083). RAND is within a tenth; of the first Solicit it is positive (§18.2.1).
 */
export function nextWaitUs(how: Retransmission, previousUs: number, maxSeconds: number, random: Random): number {
  const isFirstSolicit = how === SOLICITING && previousUs === 0
  const unit = random.u32() / 2 ** 32
  const rand = isFirstSolicit ? 0.1 * (1 - unit) : 0.2 * unit - 0.1
  const base = previousUs === 0 ? how.firstSeconds * 1e6 : 2 * previousUs
  const wait = base + rand * (previousUs === 0 ? base : previousUs)
  const maxUs = maxSeconds * 1e6
  return Math.round(maxUs > 0 && wait > maxUs ? maxUs + rand * maxUs : wait)
}
