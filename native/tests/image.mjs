// Makes an image: appends a payload to a runtime ELF (../include/payload.h).
// Usage: node image.mjs RUNTIME OUT BYTECODE [ASSET...]

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const alignUp = (value, align) => Math.ceil(value / align) * align

/** The payload for these sections: [{ kind, bytes }]. */
export function buildPayload(sections) {
  const offsets = []
  let len = 32 + 24 * sections.length
  for (const { bytes } of sections) {
    len = alignUp(len, 16)
    offsets.push(len)
    len += bytes.length
  }
  const payload = Buffer.alloc(len)
  payload.write('MIRAGEPL', 0, 'latin1')
  payload.writeUInt32LE(1, 8)
  payload.writeUInt32LE(3, 12)
  payload.writeUInt32LE(sections.length, 16)
  payload.writeBigUInt64LE(BigInt(len), 24)
  sections.forEach(({ kind, bytes }, i) => {
    payload.writeUInt32LE(kind, 32 + 24 * i)
    payload.writeBigUInt64LE(BigInt(offsets[i]), 40 + 24 * i)
    payload.writeBigUInt64LE(BigInt(bytes.length), 48 + 24 * i)
    payload.set(bytes, offsets[i])
  })
  return payload
}

/** The runtime with the payload appended and its spare program header patched. */
export function appendPayload(runtime, payload) {
  const offset = alignUp(runtime.length, 4096)
  const image = Buffer.concat([runtime, Buffer.alloc(offset - runtime.length), payload])
  const phOff = Number(image.readBigUInt64LE(32))
  const phSize = image.readUInt16LE(54)
  const phCount = image.readUInt16LE(56)
  let spare = -1
  for (let i = 0, best = -1n; i < phCount; i++) {
    const at = phOff + i * phSize
    const isReadOnlyLoad = image.readUInt32LE(at) === 1 && image.readUInt32LE(at + 4) === 4
    const vaddr = image.readBigUInt64LE(at + 16)
    if (isReadOnlyLoad && vaddr > best) {
      best = vaddr
      spare = at
    }
  }
  image.writeBigUInt64LE(BigInt(offset), spare + 8)
  image.writeBigUInt64LE(BigInt(payload.length), spare + 32)
  image.writeBigUInt64LE(BigInt(payload.length), spare + 40)
  return image
}

export function buildImage(runtime, bytecode, assets = []) {
  const sections = [{ kind: 1, bytes: bytecode }, ...assets.map((bytes) => ({ kind: 2, bytes }))]
  return appendPayload(runtime, buildPayload(sections))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [runtime, out, bytecode, ...assets] = process.argv.slice(2)
  writeFileSync(
    out,
    buildImage(
      readFileSync(runtime),
      readFileSync(bytecode),
      assets.map((path) => readFileSync(path)),
    ),
  )
}
