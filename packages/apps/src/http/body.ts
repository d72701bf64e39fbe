/** The content of a message as it is read or sent, piece by piece. */

import { textToOctets } from '@mirage-ts/core/octets'
import type { FieldLine } from './fields.ts'

/**
 * Content, given by whoever has it and taken by whoever sends or uses it. What is received is a `Body` as well as what is
 * sent, so one can be handed on as the other.
 */
export interface Body {
  /** Octets in all, when that is known before the end. */
  readonly lenBytes: number | undefined
  /** At least one octet, or `undefined` at the end and ever after. One call at a time; the piece is only read. */
  read(): Promise<Uint8Array | undefined>
  /** Says that the rest is not wanted. Idempotent; never throws. */
  cancel(reason: unknown): void
  /** The trailer fields (RFC 9110 §6.5), names in lower case, once `read` has given `undefined`. */
  trailers?(): readonly FieldLine[]
}

/** Octets in memory. */
export class OctetsBody implements Body {
  readonly lenBytes: number
  /** All of it; `undefined` once it has been read. */
  octets: Uint8Array | undefined

  constructor(octets: Uint8Array) {
    this.lenBytes = octets.length
    this.octets = octets
  }

  read(): Promise<Uint8Array | undefined> {
    const { octets } = this
    this.octets = undefined
    return Promise.resolve(octets?.length === 0 ? undefined : octets)
  }

  cancel(): void {
    this.octets = undefined
  }
}

/** Octets in memory. */
export function octetsBody(octets: Uint8Array): Body {
  return new OctetsBody(octets)
}

/** Nothing; to be read as often as one likes. */
export const NO_CONTENT: Body = octetsBody(new Uint8Array(0))

/** Text, one octet for each character. */
export function latin1Body(text: string): Body {
  return octetsBody(textToOctets(text))
}

/** Octets `off` to `end` of something that can be read at any place; `read` gives at least one octet. */
export function rangeBody(
  off: number,
  end: number,
  read: (offBytes: number, lenBytes: number) => Promise<Uint8Array>,
): Body {
  let at = off
  return {
    lenBytes: end - off,
    read: async () => {
      if (at >= end) return undefined
      const piece = await read(at, Math.min(PIECE_LEN, end - at))
      if (piece.length === 0) throw new Error(`expected ${end - off} octets, got ${at - off}`)
      at += piece.length
      return piece
    },
    cancel: () => {
      at = end
    },
  }
}

/** Octets of a range read at a time. */
const PIECE_LEN = 32 * 1024

/** Several bodies as one. */
export function concatBodies(parts: readonly Body[]): Body {
  let index = 0
  let lenBytes: number | undefined = 0
  for (const part of parts) {
    lenBytes = lenBytes === undefined || part.lenBytes === undefined ? undefined : lenBytes + part.lenBytes
  }
  return {
    lenBytes,
    read: async () => {
      for (; index < parts.length; index++) {
        const piece = await parts[index]?.read()
        if (piece !== undefined) return piece
      }
      return undefined
    },
    cancel: (reason) => {
      for (const part of parts) part.cancel(reason)
      index = parts.length
    },
  }
}

/** Reads `body` to its end, of at most `limitBytes`; beyond that it is cancelled and the promise rejects. */
export async function collect(body: Body, limitBytes: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let lenBytes = 0
  for (let piece = await body.read(); piece !== undefined; piece = await body.read()) {
    lenBytes += piece.length
    if (lenBytes > limitBytes) {
      const error = new RangeError(`Cannot collect content: expected at most ${limitBytes} octets`)
      body.cancel(error)
      throw error
    }
    pieces.push(piece)
  }
  if (pieces.length === 1) return pieces[0] as Uint8Array
  const all = new Uint8Array(lenBytes)
  let off = 0
  for (const piece of pieces) {
    all.set(piece, off)
    off += piece.length
  }
  return all
}

/** Turns of the promise queue that a stream gets to give its first piece: one with something in it needs fewer. */
const SOON_TURNS = 20

/** True when `promise` settles without anything happening outside of the promise queue. */
export async function isSoon(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  promise.then(settle, settle)
  for (let i = 0; i < SOON_TURNS && !isSettled; i++) await undefined
  return isSettled
}

/**
 * `body` with its length, when it turns out to be one piece that is there already; otherwise all of it as it comes. Only for
 * one whose length is not known. Rejects when reading fails at once.
 */
export async function measured(body: Body): Promise<Body> {
  const first = body.read()
  if (!(await isSoon(first))) return withAhead(body, [first])
  const piece = await first
  if (piece === undefined) return octetsBody(new Uint8Array(0))
  const second = body.read()
  if ((await isSoon(second)) && (await second) === undefined) return octetsBody(piece)
  return withAhead(body, [first, second])
}

/** A body of which some was read already. */
function withAhead(body: Body, ahead: Promise<Uint8Array | undefined>[]): Body {
  return {
    lenBytes: body.lenBytes,
    read: () => ahead.shift() ?? body.read(),
    cancel: (reason) => body.cancel(reason),
    ...(body.trailers === undefined ? {} : { trailers: () => body.trailers?.() ?? [] }),
  }
}
