/** Frames of WebSockets (RFC 6455 §5): a parser that is fed octets, and frames to send. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Why octets are not a frame; the code to close with is 1009 for `frame-too-long` and 1002 for the others (§7.4.1). */
export type FrameProblem =
  | 'reserved-bit'
  | 'unknown-opcode'
  | 'wrong-masking'
  | 'control-too-long'
  | 'control-fragmented'
  | 'length-not-minimal'
  | 'frame-too-long'

export interface Frame {
  readonly opcode: number
  readonly isFinal: boolean
  /** The first reserved bit: an extension has compressed the message that begins here (RFC 7692 §6). */
  readonly isCompressed: boolean
  /** Unmasked; the reader's to keep. */
  readonly payload: Uint8Array
}

/** Longest head: two octets, a length of eight, a mask of four. */
const MAX_HEAD_LEN = 14
const CONTROL_LEN = 125
const COMPRESSED = 0x40

/** Reads one frame after the other. */
export class FrameParser {
  /** What the last `push` found: a frame, why there can be none, or nothing yet. */
  outcome: Frame | FrameProblem | undefined
  private readonly isFromClient: boolean
  private readonly limitBytes: number
  private readonly mayCompress: boolean
  private readonly head = new Uint8Array(MAX_HEAD_LEN)
  private headLen = 0
  /** The payload as far as it has come, once the head is complete. */
  private payload: Uint8Array | undefined
  private payloadLen = 0

  /**
   * Frames of a client are masked, those of a server not (§5.1); payloads have at most `limitBytes`. `mayCompress` when an
   * extension gives the first reserved bit its meaning.
   */
  constructor(isFromClient: boolean, limitBytes: number, mayCompress = false) {
    this.mayCompress = mayCompress
    this.isFromClient = isFromClient
    this.limitBytes = limitBytes
  }

  /** Takes octets from `chunk[off..]` until there is an outcome; returns where it stopped. */
  push(chunk: Uint8Array, off: number): number {
    this.outcome = undefined
    while (this.payload === undefined && this.outcome === undefined) {
      if (off === chunk.length) return off
      this.head[this.headLen++] = chunk[off++] as number
      if (this.headLen === 2) this.outcome = this.checkFirst()
      if (this.outcome === undefined && this.headLen >= 2 && this.headLen === this.wantedHeadLen()) {
        this.outcome = this.beginPayload()
      }
    }
    const payload = this.payload
    if (payload === undefined) return off
    const takenLen = Math.min(chunk.length - off, payload.length - this.payloadLen)
    payload.set(chunk.subarray(off, off + takenLen), this.payloadLen)
    this.payloadLen += takenLen
    if (this.payloadLen === payload.length) this.finish(payload)
    return off + takenLen
  }

  private get first(): number {
    return this.head[0] as number
  }

  private get shortLen(): number {
    return (this.head[1] as number) & 0x7f
  }

  private checkFirst(): FrameProblem | undefined {
    const opcode = this.first & 15
    // RFC 7692 §6.1: the first one, at the beginning of a message of data.
    const allowed = this.mayCompress && (opcode === OPCODE.text || opcode === OPCODE.binary) ? COMPRESSED : 0
    if ((this.first & 0x70 & ~allowed) !== 0) return 'reserved-bit'
    if (opcode > 10 || (opcode > 2 && opcode < 8)) return 'unknown-opcode'
    if ((((this.head[1] as number) & 0x80) !== 0) !== this.isFromClient) return 'wrong-masking'
    if (opcode < 8) return undefined
    if ((this.first & 0x80) === 0) return 'control-fragmented'
    return this.shortLen > CONTROL_LEN ? 'control-too-long' : undefined
  }

  private wantedHeadLen(): number {
    const lengthLen = this.shortLen === 127 ? 8 : this.shortLen === 126 ? 2 : 0
    return 2 + lengthLen + (this.isFromClient ? 4 : 0)
  }

  private beginPayload(): FrameProblem | undefined {
    const dv = new DataView(this.head.buffer)
    let lenBytes = this.shortLen
    if (lenBytes === 126) {
      lenBytes = dv.getUint16(2)
      if (lenBytes < 126) return 'length-not-minimal'
    } else if (lenBytes === 127) {
      lenBytes = dv.getUint32(2) * 2 ** 32 + dv.getUint32(6)
      if (lenBytes < 65536) return 'length-not-minimal'
    }
    if (lenBytes > this.limitBytes) return 'frame-too-long'
    this.payload = new Uint8Array(lenBytes)
    return undefined
  }

  private finish(payload: Uint8Array): void {
    if (this.isFromClient) mask(payload, this.head, this.headLen - 4)
    this.outcome = {
      opcode: this.first & 15,
      isFinal: (this.first & 0x80) !== 0,
      isCompressed: (this.first & COMPRESSED) !== 0,
      payload,
    }
    this.headLen = 0
    this.payload = undefined
    this.payloadLen = 0
  }
}

/** XORs `payload`, which begins its buffer, with the four octets at `key[off]` again and again (§5.3). */
function mask(payload: Uint8Array, key: Uint8Array, off: number): void {
  const pattern = new Uint8Array(4)
  pattern.set(key.subarray(off, off + 4))
  // Four octets at a time: the order of octets in a word is the same on both sides.
  const words = new Uint32Array(payload.buffer, 0, payload.length >>> 2)
  const word = new Uint32Array(pattern.buffer)[0] as number
  for (let i = 0; i < words.length; i++) words[i] = ((words[i] as number) ^ word) >>> 0
  for (let i = words.length * 4; i < payload.length; i++)
    payload[i] = (payload[i] as number) ^ (pattern[i & 3] as number)
}

/** A frame to send; `key` are four random octets when a client sends it. `payload` is copied. */
export function emitFrame(
  opcode: number,
  isFinal: boolean,
  payload: Uint8Array,
  key?: Uint8Array,
  isCompressed = false,
): Uint8Array {
  const lengthLen = payload.length < 126 ? 0 : payload.length < 65536 ? 2 : 8
  const headLen = 2 + lengthLen + (key === undefined ? 0 : 4)
  const frame = new Uint8Array(headLen + payload.length)
  const dv = new DataView(frame.buffer)
  frame[0] = (isFinal ? 0x80 : 0) | (isCompressed ? COMPRESSED : 0) | opcode
  frame[1] = (key === undefined ? 0 : 0x80) | (lengthLen === 0 ? payload.length : lengthLen === 2 ? 126 : 127)
  if (lengthLen === 2) dv.setUint16(2, payload.length)
  else if (lengthLen === 8) {
    dv.setUint32(2, Math.floor(payload.length / 2 ** 32))
    dv.setUint32(6, payload.length >>> 0)
  }
  if (key === undefined) {
    frame.set(payload, headLen)
    return frame
  }
  frame.set(key, headLen - 4)
  const masked = payload.slice()
  mask(masked, key, 0)
  frame.set(masked, headLen)
  return frame
}
