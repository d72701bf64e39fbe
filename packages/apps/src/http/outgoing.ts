/** The sending of a message: its head, then its body as the framing says (RFC 9112 §6, §7). */

import { textToOctets, writeText } from '@mirage-ts/core/octets'
import { type Body, isSoon } from './body.ts'
import { emitChunk } from './chunked.ts'
import type { FieldLine } from './fields.ts'
import type { Framing } from './framing.ts'
import { fieldLines } from './response.ts'

/**
 * Sends `head` and, framed, all of `body`; the head shares a write with the first piece. A body that has not as many octets
 * as was promised rejects: the connection cannot go on then.
 */
export async function sendMessage(
  write: (octets: Uint8Array) => Promise<void>,
  head: string,
  body: Body | undefined,
  framing: Framing | 'close',
): Promise<void> {
  if (body === undefined || framing === 0) {
    body?.cancel(undefined)
    return write(textToOctets(head))
  }
  let pending = head
  let sentBytes = 0
  const first = body.read()
  if (body.lenBytes === undefined && !(await isSoon(first))) {
    // Whoever waits for the head of a stream of events shall not wait for the first event.
    await write(textToOctets(head))
    pending = ''
  }
  for (let piece = await first; piece !== undefined; piece = await body.read()) {
    sentBytes += piece.length
    if (typeof framing === 'number' && sentBytes > framing) break
    if (framing === 'chunked') await write(emitChunk(pending, piece))
    else await write(pending === '' ? piece : join(pending, piece))
    pending = ''
  }
  if (typeof framing === 'number' && sentBytes !== framing) {
    const got = sentBytes > framing ? 'more' : sentBytes
    throw new Error(`expected ${framing} octets, got ${got}`)
  }
  if (framing === 'chunked') pending += `0\r\n${fieldLines(body.trailers?.() ?? [])}\r\n`
  if (pending !== '') await write(textToOctets(pending))
}

function join(head: string, piece: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + piece.length)
  all.set(piece, writeText(all, 0, head))
  return all
}

/** Fields that say how a message is delimited and what becomes of the connection: the connection's to send. */
const OF_THE_CONNECTION = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']

/** What fields of a handler come to in a message. */
export interface OwnLines {
  /** Those that are not the connection's, as lines. */
  readonly text: string
  /** The Content-Length among them, when it is one. */
  readonly declaredLength: number | undefined
  /** The start of the head that they were last in, with its status and length; empty when there is none yet. */
  start: string
  status: number
  length: Framing | 'close'
}

/** Of arrays that cannot change any more: those of a file are made once and sent with each response. */
const known = new WeakMap<readonly FieldLine[], OwnLines>()

/** `fields` for a message. Throws a `TypeError` when one is none; see {@link fieldLines}. */
export function ownLines(fields: readonly FieldLine[]): OwnLines {
  const before = known.get(fields)
  if (before !== undefined) return before
  const text = fieldLines(ownFields(fields))
  const lines: OwnLines = { text, declaredLength: declaredLength(fields), start: '', status: 0, length: 0 }
  if (Object.isFrozen(fields) && fields.every((line) => Object.isFrozen(line))) known.set(fields, lines)
  return lines
}

/** Fields that cannot change any more, which are looked at once and not for each message that they are sent with. */
export function frozenFields(fields: readonly FieldLine[]): readonly FieldLine[] {
  return Object.freeze(fields.map(([name, value]) => Object.freeze([name, value] as const)))
}

/** `fields` without those that are the connection's. */
export function ownFields(fields: readonly FieldLine[]): FieldLine[] {
  return fields.filter(([name]) => !OF_THE_CONNECTION.includes(name.toLowerCase()))
}

function declaredLength(fields: readonly FieldLine[]): number | undefined {
  const value = fields.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
