/**
 * The label of an artefact: what it is, what it needs of its machine, and everything it was made from. It is the last
 * thing in the file, behind what is loaded, so it costs the booted unikernel nothing. On unix it is a comment.
 */
import { createHash } from 'node:crypto'
import type { Attachment } from '@mirage-ts/config'
import type { Linked } from './linked.ts'

/** What an artefact says of itself. */
export interface Label {
  readonly name: string
  readonly target: string
  /** The configure-time keys, constants of the artefact. */
  readonly configured: Readonly<Record<string, string>>
  /** The boot arguments. */
  readonly boot: readonly LabelKey[]
  /** What the machine must have, in the order in which it is attached. */
  readonly attachments: readonly Attachment[]
  /** The engine that runs it. */
  readonly engine: string
  /** Optional parts of the engine, and native functions, with who needs them; on a target that is linked. */
  readonly linked?: Linked
  /** Programs that made it, by name with their versions. */
  readonly builtWith: Readonly<Record<string, string>>
  /** SHA-256 of every file it was made from, in hexadecimal. */
  readonly inputs: Readonly<Record<string, string>>
  /** CycloneDX 1.6. */
  readonly bom: Bom
}

/** A boot argument. */
export interface LabelKey {
  readonly name: string
  readonly default?: string
  readonly type: string
  readonly doc: string
}

/** A bill of materials: CycloneDX 1.6 in JSON, as far as it is used. */
export interface Bom {
  readonly bomFormat: 'CycloneDX'
  readonly specVersion: '1.6'
  readonly version: 1
  readonly metadata: { readonly component: BomComponent }
  readonly components: readonly BomComponent[]
}

/** A part of the artefact. */
export interface BomComponent {
  readonly type: 'application' | 'library' | 'platform'
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl?: string
  readonly licenses?: readonly { readonly expression: string }[]
  readonly hashes?: readonly { readonly alg: 'SHA-256'; readonly content: string }[]
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}

const COMMENT = '// mirage-label: '
const MAGIC = 'MIRAGELB'
/** The length of the label, little endian, and the magic. */
const TRAILER_LEN = 4 + MAGIC.length

/** Puts a label behind an image. */
export function labelImage(image: Uint8Array, label: Label): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(label))
  const labelled = new Uint8Array(image.length + text.length + TRAILER_LEN)
  labelled.set(image)
  labelled.set(text, image.length)
  const trailer = image.length + text.length
  new DataView(labelled.buffer).setUint32(trailer, text.length, true)
  labelled.set(new TextEncoder().encode(MAGIC), trailer + 4)
  return labelled
}

/** Puts a label into a program, as a comment of one line that is its last but for the one about the source map. */
export function labelProgram(code: Uint8Array, label: Label): Uint8Array {
  const text = new TextDecoder().decode(code)
  const at = text.lastIndexOf('//# sourceMappingURL=')
  const cut = at < 0 ? text.length : at
  // U+2028 and U+2029 end a comment.
  const json = JSON.stringify(label).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`)
  return new TextEncoder().encode(`${text.slice(0, cut)}${COMMENT}${json}\n${text.slice(cut)}`)
}

/** The label of an artefact of any target; `undefined` when it has none. */
export function readLabel(artefact: Uint8Array): Label | undefined {
  const end = artefact.length - TRAILER_LEN
  if (end > 0 && new TextDecoder().decode(artefact.subarray(end + 4)) === MAGIC) {
    const lenBytes = new DataView(artefact.buffer, artefact.byteOffset).getUint32(end, true)
    return JSON.parse(new TextDecoder().decode(artefact.subarray(end - lenBytes, end))) as Label
  }
  const tail = Buffer.from(artefact.buffer, artefact.byteOffset, artefact.byteLength)
  const at = tail.lastIndexOf(`\n${COMMENT}`)
  if (at < 0) return undefined
  const start = at + 1 + COMMENT.length
  return JSON.parse(tail.subarray(start, tail.indexOf('\n', start)).toString()) as Label
}

/** SHA-256 in hexadecimal. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
