/** Makes the two generated files of the site, always the same: an image, and a text of 1 MiB. */
import { writeFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'

const LINE_COUNT = 65536

/** 65,536 lines of 16 octets: the number of the line counted up and down. */
function numbers() {
  let text = ''
  for (let i = 0; i < LINE_COUNT; i++) text += `${String(i).padStart(7, '0')} ${String(LINE_COUNT - i).padStart(7)}\n`
  return text
}

const SIZE = 96

/** A sun over the sea, mirrored in it: a PNG of 96 by 96 pixels (RFC 2083), 8 bits of red, green and blue each. */
function logo() {
  const rows = []
  for (let y = 0; y < SIZE; y++) {
    // Each row begins with the number of its filter: none.
    rows.push(0)
    for (let x = 0; x < SIZE; x++) rows.push(...pixel(x, y))
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(SIZE, 0)
  header.writeUInt32BE(SIZE, 4)
  // Depth 8, colour type 2 (RGB); compression, filter and interlace are 0.
  header.set([8, 2], 8)
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.from(rows), { level: 9 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

function pixel(x, y) {
  const horizon = SIZE * 0.55
  const isWater = y >= horizon
  const mirroredY = isWater ? 2 * horizon - y : y
  // In the water, every other pair of rows is shifted: waves.
  const shiftedX = isWater && y % 4 < 2 ? x + 4 : x
  const isSun = Math.hypot(shiftedX - SIZE / 2, mirroredY - SIZE * 0.4) < SIZE * 0.22
  if (isSun) return isWater ? [240, 170, 90] : [250, 200, 80]
  return isWater ? [40, 90 + y, 150] : [120 + y, 180, 230]
}

/** RFC 2083 §3.2. */
function pngChunk(type, data) {
  const chunk = Buffer.alloc(12 + data.length)
  chunk.writeUInt32BE(data.length, 0)
  chunk.write(type, 4, 'latin1')
  chunk.set(data, 8)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length)
  return chunk
}

/** RFC 2083 §3.4: the CRC of ISO 3309, bit by bit. */
function crc32(octets) {
  let crc = 0xffffffff
  for (const octet of octets) {
    crc ^= octet
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

writeFileSync(new URL('site/logo.png', import.meta.url), logo())
writeFileSync(new URL('site/numbers.txt', import.meta.url), numbers())
