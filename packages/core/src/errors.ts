/**
 * Failures that an application can expect and handle. Bad input from a network is not one of them: it is counted and
 * dropped where it is found. A programmer's mistake is a `TypeError` or `RangeError`.
 */

/** What went wrong on a network; stable, for programs to compare. */
export type NetErrorCode =
  | 'address-in-use'
  | 'cancelled'
  | 'closed'
  | 'connection-refused'
  | 'connection-reset'
  | 'host-unreachable'
  | 'message-too-long'
  | 'no-ports'
  | 'no-route'
  | 'protocol'
  | 'timed-out'

/** A network operation that failed. `message` says which one, with whom, and why; `cause` what happened below. */
export class NetError extends Error {
  readonly code: NetErrorCode
  constructor(code: NetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NetError'
    this.code = code
  }
}

/** What went wrong in a store. */
export type KvErrorCode =
  | 'already-present'
  | 'bad-key'
  | 'corrupt'
  | 'dictionary-expected'
  | 'io'
  | 'no-space'
  | 'not-found'
  | 'read-only'
  | 'value-expected'

/** A store operation that failed. */
export class KvError extends Error {
  readonly code: KvErrorCode
  constructor(code: KvErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KvError'
    this.code = code
  }
}

/** What went wrong on a block device. */
export type BlockErrorCode = 'closed' | 'corrupt' | 'io' | 'read-only'

/** A block device operation that failed. */
export class BlockError extends Error {
  readonly code: BlockErrorCode
  constructor(code: BlockErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BlockError'
    this.code = code
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
