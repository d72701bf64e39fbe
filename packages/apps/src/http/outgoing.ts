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

/** `fields` without those that are the connection's. */
export function ownFields(fields: readonly FieldLine[]): FieldLine[] {
  return fields.filter(([name]) => !OF_THE_CONNECTION.includes(name.toLowerCase()))
}

/** The Content-Length among `fields`, when it is one. */
export function declaredLength(fields: readonly FieldLine[]): number | undefined {
  const value = fields.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
