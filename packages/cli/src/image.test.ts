import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assembleImage, readImage } from './image.ts'

/** An ELF with a text segment, a data segment, and the spare program header of a payload. */
function runtime(lenBytes: number, spareFlags = 4): Uint8Array {
  const u8 = new Uint8Array(lenBytes).fill(0xee)
  const dv = new DataView(u8.buffer)
  dv.setUint32(0, 0x7f454c46)
  dv.setBigUint64(32, 64n, true)
  dv.setUint16(54, 56, true)
  dv.setUint16(56, 3, true)
  const segments = [
    { flags: 4, vaddr: 0x100000n },
    { flags: spareFlags, vaddr: 0x300000n },
    { flags: 6, vaddr: 0x200000n },
  ]
  for (const [i, { flags, vaddr }] of segments.entries()) {
    const header = 64 + 56 * i
    dv.setUint32(header, 1, true)
    dv.setUint32(header + 4, flags, true)
    dv.setBigUint64(header + 16, vaddr, true)
  }
  return u8
}

const bytecode = Uint8Array.from({ length: 77 }, (_, i) => i)
const assets = [new Uint8Array(0), Uint8Array.of(1, 2, 3), new Uint8Array(5000).fill(9)]

test('image: a payload can be read again', () => {
  const image = assembleImage(runtime(5000), { bytecode, assets })
  const payload = readImage(image)
  assert.deepEqual(payload.bytecode, bytecode)
  assert.deepEqual([...payload.assets], assets)
})

test('image: the spare program header points at the payload, at a page; nothing else changes', () => {
  const before = runtime(5000)
  const image = assembleImage(before, { bytecode, assets })
  const dv = new DataView(image.buffer)
  const header = 64 + 56
  assert.equal(dv.getBigUint64(header + 8, true), 8192n)
  assert.equal(dv.getBigUint64(header + 32, true), BigInt(image.length - 8192))
  assert.equal(dv.getBigUint64(header + 40, true), BigInt(image.length - 8192))
  for (const off of [8, 32, 40]) image.set(before.subarray(header + off, header + off + 8), header + off)
  assert.deepEqual(image.subarray(0, 5000), before)
})

test('image: sections are aligned to 16 and lie within the payload', () => {
  const image = assembleImage(runtime(4096), { bytecode, assets })
  const dv = new DataView(image.buffer, 4096)
  assert.equal(dv.getUint32(16, true), 4)
  assert.equal(dv.getBigUint64(24, true), BigInt(image.length - 4096))
  for (let i = 0; i < 4; i++) assert.equal(dv.getBigUint64(32 + 24 * i + 8, true) % 16n, 0n)
})

test('image: what is no runtime is refused', () => {
  assert.throws(() => assembleImage(new Uint8Array(100), { bytecode, assets }), { message: /it is no ELF/ })
  assert.throws(() => assembleImage(runtime(500, 6), { bytecode, assets }), {
    message: /no program header for a payload/,
  })
  assert.throws(() => readImage(runtime(500)), { message: /it has no payload/ })
})
