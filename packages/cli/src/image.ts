/**
 * Images: the compiled runtime with a payload, the program's bytecode and its assets. No linker is needed: the payload is
 * appended, and one spare program header of the ELF is pointed at it. `native/include/payload.h` states the layout.
 */

/** What an image carries beside the runtime. */
export interface Payload {
  /** The output of `mirage-bytecode`. */
  readonly bytecode: Uint8Array
  readonly assets: readonly Uint8Array[]
}

const PAGE_BYTES = 4096

const MAGIC = new TextEncoder().encode('MIRAGEPL')
const VERSION = 1
const ABI = 3
const HEADER_LEN = 32
const SECTION_LEN = 24
const SECTION_ALIGN = 16
const KIND_BYTECODE = 1
const KIND_ASSET = 2

// ELF-64 header and program header, offsets (System V gABI, "ELF Header", "Program Header").
const E_PHOFF = 32
const E_PHENTSIZE = 54
const E_PHNUM = 56
const P_TYPE = 0
const P_FLAGS = 4
const P_OFFSET = 8
const P_VADDR = 16
const P_FILESZ = 32
const P_MEMSZ = 40
const PT_LOAD = 1
const PF_R = 4

/** Puts a payload behind a runtime. */
export function assembleImage(runtime: Uint8Array, payload: Payload): Uint8Array {
  const body = emitPayload(payload)
  const payloadOff = align(runtime.length, PAGE_BYTES)
  const image = new Uint8Array(payloadOff + body.length)
  image.set(runtime)
  image.set(body, payloadOff)
  const dv = new DataView(image.buffer)
  const header = payloadProgramHeader(dv)
  dv.setBigUint64(header + P_OFFSET, BigInt(payloadOff), true)
  dv.setBigUint64(header + P_FILESZ, BigInt(body.length), true)
  dv.setBigUint64(header + P_MEMSZ, BigInt(body.length), true)
  return image
}

/** The payload of an image, its parts as views of it. Throws a `RangeError` when the image is damaged. */
export function readImage(image: Uint8Array): Payload {
  const dv = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const header = payloadProgramHeader(dv)
  const start = Number(dv.getBigUint64(header + P_OFFSET, true))
  const end = start + Number(dv.getBigUint64(header + P_FILESZ, true))
  if (end > image.length || end - start < HEADER_LEN || !MAGIC.every((octet, i) => image[start + i] === octet)) {
    throw new RangeError('Cannot read the image: it has no payload')
  }
  let bytecode: Uint8Array = new Uint8Array(0)
  const assets: Uint8Array[] = []
  const sectionCount = dv.getUint32(start + 16, true)
  for (let i = 0; i < sectionCount; i++) {
    const entry = start + HEADER_LEN + i * SECTION_LEN
    const off = start + Number(dv.getBigUint64(entry + 8, true))
    const bytes = image.subarray(off, off + Number(dv.getBigUint64(entry + 16, true)))
    if (dv.getUint32(entry, true) === KIND_BYTECODE) bytecode = bytes
    else assets.push(bytes)
  }
  return { bytecode, assets }
}

function emitPayload({ bytecode, assets }: Payload): Uint8Array {
  const sections = [{ kind: KIND_BYTECODE, bytes: bytecode }, ...assets.map((bytes) => ({ kind: KIND_ASSET, bytes }))]
  let lenBytes = HEADER_LEN + sections.length * SECTION_LEN
  const offsets = sections.map(({ bytes }) => {
    const off = align(lenBytes, SECTION_ALIGN)
    lenBytes = off + bytes.length
    return off
  })
  const u8 = new Uint8Array(lenBytes)
  const dv = new DataView(u8.buffer)
  u8.set(MAGIC)
  dv.setUint32(8, VERSION, true)
  dv.setUint32(12, ABI, true)
  dv.setUint32(16, sections.length, true)
  dv.setBigUint64(24, BigInt(lenBytes), true)
  for (const [i, { kind, bytes }] of sections.entries()) {
    const entry = HEADER_LEN + i * SECTION_LEN
    const off = offsets[i] ?? 0
    dv.setUint32(entry, kind, true)
    dv.setBigUint64(entry + 8, BigInt(off), true)
    dv.setBigUint64(entry + 16, BigInt(bytes.length), true)
    u8.set(bytes, off)
  }
  return u8
}

/** Offset of the program header meant for the payload: the highest read-only one that is loaded. */
function payloadProgramHeader(dv: DataView): number {
  if (dv.byteLength < 64 || dv.getUint32(0) !== 0x7f454c46)
    throw new RangeError('Cannot read the runtime: it is no ELF')
  const first = Number(dv.getBigUint64(E_PHOFF, true))
  const size = dv.getUint16(E_PHENTSIZE, true)
  let found: number | undefined
  let highest = -1n
  for (let i = 0; i < dv.getUint16(E_PHNUM, true); i++) {
    const header = first + i * size
    if (dv.getUint32(header + P_TYPE, true) !== PT_LOAD) continue
    const vaddr = dv.getBigUint64(header + P_VADDR, true)
    if (vaddr <= highest) continue
    highest = vaddr
    found = dv.getUint32(header + P_FLAGS, true) === PF_R ? header : undefined
  }
  if (found === undefined) throw new RangeError('Cannot use the runtime: it has no program header for a payload')
  return found
}

function align(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
