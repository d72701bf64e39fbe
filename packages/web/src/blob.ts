/** `Blob` and `File` (File API §3, §4): octets in memory with a type. */
import { encodeUtf8, octetsOf, TextDecoder } from './encoding.ts'
import { ReadableStream } from './streams.ts'

export type BlobPart = string | ArrayBufferLike | ArrayBufferView | Blob

export interface BlobOptions {
  readonly type?: string
}

export class Blob {
  readonly type: string
  private octets: Uint8Array

  constructor(parts: Iterable<BlobPart> = [], { type = '' }: BlobOptions = {}) {
    const pieces = [...parts].map((part) => {
      if (part instanceof Blob) return part.octets
      return typeof part === 'object' ? octetsOf(part) : encodeUtf8(String(part))
    })
    this.octets = new Uint8Array(pieces.reduce((lenBytes, piece) => lenBytes + piece.length, 0))
    let off = 0
    for (const piece of pieces) {
      this.octets.set(piece, off)
      off += piece.length
    }
    this.type = /^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : ''
  }

  get size(): number {
    return this.octets.length
  }

  slice(start = 0, end: number = this.size, type = ''): Blob {
    const blob = new Blob([], { type })
    const fromEnd = (at: number) => (at < 0 ? Math.max(0, this.size + at) : Math.min(this.size, at))
    blob.octets = this.octets.subarray(fromEnd(start), Math.max(fromEnd(start), fromEnd(end)))
    return blob
  }

  async bytes(): Promise<Uint8Array> {
    return this.octets.slice()
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.octets.slice().buffer as ArrayBuffer
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(this.octets)
  }

  stream(): ReadableStream<Uint8Array> {
    const octets = this.octets.slice()
    return new ReadableStream({
      start(controller) {
        if (octets.length > 0) controller.enqueue(octets)
        controller.close()
      },
    })
  }

  get [Symbol.toStringTag](): string {
    return 'Blob'
  }
}

export class File extends Blob {
  readonly name: string
  readonly lastModified: number

  constructor(
    parts: Iterable<BlobPart>,
    name: string,
    { lastModified = Date.now(), ...options }: BlobOptions & { readonly lastModified?: number } = {},
  ) {
    super(parts, options)
    this.name = String(name)
    this.lastModified = lastModified
  }

  override get [Symbol.toStringTag](): string {
    return 'File'
  }
}
