import type { Endpoint } from './addresses.ts'
import type { Cancellable } from './cancel.ts'
import type { Duration } from './time.ts'

/**
 * A reliable, ordered, two-way stream of octets.
 *
 * At most one `read` and one `write` may be pending at a time; a second one rejects with a `TypeError`.
 * A failure is reported once to each direction: pending calls reject with a `NetError`, later ones reject with it too.
 */
export interface Flow {
  /**
   * Resolves to at least one octet, or to `undefined` once the peer has finished (end of stream; again on every later
   * call). The chunk is the caller's to keep. Cancelling loses no data.
   */
  read(options?: Cancellable): Promise<Uint8Array | undefined>
  /**
   * Takes back a chunk of `read` that the caller will not look at again, so that later chunks need no fresh memory: in bulk
   * transfers that is most of the work. Never required; flows that cannot use it leave it out.
   */
  recycle?(chunk: Uint8Array): void
  /**
   * Resolves when all octets were accepted into a bounded buffer, not when the peer has them; the buffer's bound is the
   * back-pressure. `bytes` may be reused once the call resolves. Rejects with code `closed` after `shutdownWrite`.
   */
  write(bytes: Uint8Array, options?: Cancellable): Promise<void>
  /** Sends what was written, then end of stream; reading goes on. Idempotent. */
  shutdownWrite(): void
  /** Ends both directions in an orderly way; what was written is still delivered. Idempotent; never rejects. */
  close(): Promise<void>
  /** Ends both directions at once; what was not delivered is lost and the peer sees a reset. Idempotent. */
  abort(): void
}

/**
 * A flow that also does at once, without a promise, what needs no waiting: where a promise costs as much as the rest of a
 * small request, servers of those are made of these calls. They may be mixed with `read` and `write`, but `tryRead` and
 * `onReadable` throw a `TypeError` while a `read` is pending, and `tryWrite` while a `write` is.
 */
export interface PromptFlow extends Flow {
  /**
   * Copies octets that have arrived to `into[off, end)`, which is not empty, and returns how many. 0 when there are none yet;
   * -1 when there will be none: `read` tells why, the end of the stream or a failure.
   */
  tryRead(into: Uint8Array, off: number, end: number): number
  /** Accepts as much of `bytes[off, end)` as there is room for and returns how much; 0 after a failure too: `write` tells. */
  tryWrite(bytes: Uint8Array, off: number, end: number): number
  /**
   * Calls `wake` once, as soon as octets arrive, the stream ends or it fails; in the middle of that, so `wake` must not throw.
   * Of what was there before the call `tryRead` tells. A later call takes the place of an earlier one, and `read` makes it
   * forgotten.
   */
  onReadable(wake: () => void): void
}

/** Settings of one flow in place of the stack's; those left out stay as they are. */
export interface FlowTuning {
  /** Silence after which the peer is asked whether it is still there (RFC 9293 §3.8.4); a second at least. */
  readonly keepAlive?: Duration
  /** How long what was written may stay unanswered before the flow fails (RFC 5482 §1); a second at least. */
  readonly userTimeout?: Duration
  /** Small segments leave at once (turns off Nagle's algorithm). */
  readonly noDelay?: boolean
  /**
   * The octet of differentiated services in the packets of this flow (RFC 2474): DSCP times 4, so a multiple of 4 up to 252;
   * the two lowest bits belong to ECN.
   */
  readonly trafficClass?: number
}

/** A flow between two transport addresses. */
export interface TcpFlow extends Flow {
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Gives this flow settings of its own; what the platform cannot set it ignores. Absent where it can set none. */
  tune?(tuning: FlowTuning): void
}
