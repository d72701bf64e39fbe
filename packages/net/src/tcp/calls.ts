/** What a user asks of a connection: RFC 9293 §3.10.2 to §3.10.5. To OPEN is a matter of the machine: `connect`, `listen`. */
import type { NetErrorCode } from '@mirage-ts/core/errors'
import type { Instant } from '@mirage-ts/signatures/time'
import {
  CLOSE_WAIT,
  CLOSED,
  type Connection,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RECEIVED,
  TIME_WAIT,
  Tuning,
} from './connection.ts'
import { sendReset } from './emit.ts'
import type { TcpMachine } from './machine.ts'
import { tuneWindow, windowUpdate } from './window.ts'

/** SEND: copies as much of `u8[off, end)` as there is room for and returns how much that was. */
export function send(m: TcpMachine, c: Connection, u8: Uint8Array, off: number, end: number, now: Instant): number {
  if (c.isFinQueued || c.state < ESTABLISHED) return 0
  const { sendRing } = c
  let accepted = Math.min(sendRing.freeBytes, end - off)
  if (accepted <= 0) return 0
  if (!sendRing.reserve(sendRing.lenBytes + accepted)) {
    m.counters.noMemory++
    // What fits into the memory it has; when that is nothing, it is told when there is some.
    accepted = Math.min(accepted, Math.max(0, sendRing.capacityBytes - sendRing.lenBytes))
    if (accepted === 0) {
      m.starve(c)
      return 0
    }
  }
  sendRing.write(sendRing.lenBytes, u8, off, off + accepted)
  sendRing.extend(accepted)
  m.settle(c, now)
  return accepted
}

/** RECEIVE: takes up to `maxBytes` octets that arrived; undefined when none wait. */
export function receive(m: TcpMachine, c: Connection, maxBytes: number, now: Instant): Uint8Array | undefined {
  const { receiveRing } = c
  if (receiveRing.lenBytes === 0) return undefined
  const { lenBytes } = receiveRing
  const isWhole = lenBytes <= maxBytes && c.reassembly.count === 0
  const chunk = (isWhole ? receiveRing.handOver() : undefined) ?? receiveRing.copyOut(maxBytes)
  hasTaken(m, c, chunk.length, now)
  return chunk
}

/** RECEIVE: copies octets that arrived to `into[off, end)` and returns how many. */
export function receiveInto(
  m: TcpMachine,
  c: Connection,
  into: Uint8Array,
  off: number,
  end: number,
  now: Instant,
): number {
  const { receiveRing } = c
  const count = Math.min(receiveRing.lenBytes, end - off)
  if (count <= 0) return 0
  receiveRing.copyTo(0, count, into, off)
  receiveRing.consume(count)
  hasTaken(m, c, count, now)
  return count
}

/** The user has taken `count` octets of those that arrived. */
function hasTaken(m: TcpMachine, c: Connection, count: number, now: Instant): void {
  c.takenBytes += count
  if (c.receiveRing.lenBytes === 0 && c.reassembly.count === 0) c.receiveRing.release()
  m.feedStarved(now)
  tuneWindow(m, c, now)
  if (windowUpdate(m, c)) m.settle(c, now)
}

/** CLOSE of RFC 9293 §3.10.4: no more to send; receiving goes on. */
export function shutdown(m: TcpMachine, c: Connection, now: Instant): void {
  if (c.isFinQueued) return
  if (c.state === ESTABLISHED) m.setState(c, FIN_WAIT_1, 'close', now)
  else if (c.state === CLOSE_WAIT) m.setState(c, LAST_ACK, 'close', now)
  else return
  c.isFinQueued = true
  m.settle(c, now)
}

/** Settings of its own; those that are undefined stay. Durations in µs. */
export function tune(
  m: TcpMachine,
  c: Connection,
  keepAliveUs: number | undefined,
  userTimeoutUs: number | undefined,
  isNoDelay: boolean | undefined,
  trafficClass: number | undefined,
  now: Instant,
): void {
  if (c.state < ESTABLISHED || c.state === TIME_WAIT) return
  if (trafficClass !== undefined) c.trafficClass = trafficClass
  c.tuning ??= new Tuning(m.settings)
  const { tuning } = c
  if (keepAliveUs !== undefined) {
    tuning.keepAliveUs = keepAliveUs
    tuning.keepAliveCount = 0
    tuning.keepAliveAtUs = now + keepAliveUs
  }
  if (userTimeoutUs !== undefined) tuning.userTimeoutUs = userTimeoutUs
  if (isNoDelay !== undefined) tuning.isNoDelay = isNoDelay
  m.settle(c, now)
}

/** Shuts down, and takes no more text: what is received is forgotten. */
export function close(m: TcpMachine, c: Connection, now: Instant): void {
  if (c.isReceiveShut) return
  c.isReceiveShut = true
  c.receiveRing.release()
  c.reassembly.clear()
  if (c.state === FIN_WAIT_2) {
    c.stateAtUs = now + m.settings.finWait2Us
    m.settle(c, now)
  }
  shutdown(m, c, now)
}

/** ABORT (RFC 9293 §3.10.5): resets the peer and forgets the connection. */
export function abort(m: TcpMachine, c: Connection, failure: NetErrorCode, now: Instant): void {
  const { state } = c
  if (state === CLOSED) return
  // "<SEQ=SND.NXT><CTL=RST>" in the states where the peer may still be talking or waiting.
  if (state >= SYN_RECEIVED && state !== TIME_WAIT) sendReset(m, c)
  m.fail(c, failure, 'abort', now)
  m.settle(c, now)
}
