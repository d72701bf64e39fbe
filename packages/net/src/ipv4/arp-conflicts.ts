/** Finding out that somebody else has an address, before and while we use it (RFC 5227), without input or output of its own. */
import { after, earlier, ms, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { ARP_REQUEST, type ArpPacket } from '../wire/arp.ts'

/**
 * Three probes as in RFC 5227 §1.1. Deviation: 0.1 s apart and 0.2 s for the last answer instead of seconds, which allow for
 * switches that take long to open a port; a machine that boots in a tenth of a second would wait for nothing else.
 */
const PROBE_COUNT = 3
const PROBE_INTERVAL: Duration = ms(100)
const LAST_PROBE_WAIT: Duration = ms(200)
/** RFC 5227 §1.1. */
const ANNOUNCE_COUNT = 2
const ANNOUNCE_INTERVAL: Duration = seconds(2)
const DEFEND_INTERVAL: Duration = seconds(10)

/** One address being probed or announced. */
interface Round {
  readonly address: Ipv4
  /** Told the result of probing; absent while announcing. */
  readonly done: ((isFree: boolean) => void) | undefined
  sentCount: number
  deadline: Instant
}

/** Sends a probe or an announcement of `address` to everybody. */
export interface ConflictEffects {
  probe(address: Ipv4): void
  announce(address: Ipv4): void
}

export class ArpConflicts {
  private readonly effects: ConflictEffects
  private rounds: Round[] = []
  private readonly defendedAt = new Map<Ipv4, Instant>()
  private readonly handlers: ((address: Ipv4, mac: Mac) => void)[] = []

  constructor(effects: ConflictEffects) {
    this.effects = effects
  }

  listen(handler: (address: Ipv4, mac: Mac) => void): void {
    this.handlers.push(handler)
  }

  /** Asks whether somebody has `address`. */
  probe(address: Ipv4, done: (isFree: boolean) => void, now: Instant): void {
    this.start({ address, done, sentCount: 0, deadline: now }, now)
  }

  /** Announces `address`, at once and once more. */
  announce(address: Ipv4, now: Instant): void {
    this.start({ address, done: undefined, sentCount: 0, deadline: now }, now)
  }

  /** Stops announcing and defending `address`. */
  forget(address: Ipv4): void {
    this.rounds = this.rounds.filter((round) => round.done !== undefined || round.address !== address)
    this.defendedAt.delete(address)
  }

  nextDeadline(): Instant {
    return this.rounds.reduce((first, round) => earlier(first, round.deadline), NEVER)
  }

  poll(now: Instant): void {
    for (const round of this.rounds) if (round.deadline <= now) this.step(round, now)
  }

  /** A packet of another station has come. */
  input(packet: Readonly<ArpPacket>): void {
    if (this.rounds.length === 0) return
    const { senderIp, targetIp, operation } = packet
    for (const round of this.rounds) {
      // RFC 5227 §2.1.1: somebody uses the address, or probes for it at the same moment.
      const isTaken =
        senderIp === round.address || (operation === ARP_REQUEST && senderIp === 0 && targetIp === round.address)
      if (isTaken && round.done !== undefined) this.finish(round, false)
    }
  }

  /** Another station says that an address of ours is its own: say so too, but not in a loop with another that defends it. */
  conflict(address: Ipv4, mac: Mac, now: Instant): void {
    const last = this.defendedAt.get(address)
    if (last !== undefined && now < after(last, DEFEND_INTERVAL)) return
    this.defendedAt.set(address, now)
    this.effects.announce(address)
    for (const handler of this.handlers) handler(address, mac)
  }

  private start(round: Round, now: Instant): void {
    this.rounds = [...this.rounds, round]
    this.step(round, now)
  }

  private step(round: Round, now: Instant): void {
    if (round.sentCount === (round.done === undefined ? ANNOUNCE_COUNT : PROBE_COUNT)) {
      this.finish(round, true)
      return
    }
    round.sentCount++
    if (round.done === undefined) {
      this.effects.announce(round.address)
      if (round.sentCount === ANNOUNCE_COUNT) this.finish(round, true)
      else round.deadline = after(now, ANNOUNCE_INTERVAL)
    } else {
      this.effects.probe(round.address)
      round.deadline = after(now, round.sentCount === PROBE_COUNT ? LAST_PROBE_WAIT : PROBE_INTERVAL)
    }
  }

  private finish(round: Round, isFree: boolean): void {
    this.rounds = this.rounds.filter((one) => one !== round)
    round.done?.(isFree)
  }
}
