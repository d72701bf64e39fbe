// Target spt: disk 0 is a writable file of 1 MiB of bytes (i * 7) & 255, disk 1 the same file, read-only.

const LEN = 1 << 20
check(native.blockCount === 2, `${native.blockCount} disks`)
check(native.blockLen(0) === LEN && native.blockLen(1) === LEN, 'lengths')
check(native.blockIsWritable(0) && !native.blockIsWritable(1), 'what can be written')
expectThrow(RangeError, () => native.blockLen(2), 'blockLen(2)')

const bytes = new Uint8Array(8192)
for (const [offset, off, end] of [
  [0, 0, 8192],
  [LEN - 512, 0, 512],
  [LEN, 0, 0],
  [4096, 100, 612],
]) {
  bytes.fill(0)
  check(native.blockRead(1, offset, bytes, off, end), 'read')
  for (let i = off; i < end; i++) check(bytes[i] === (((offset + i - off) * 7) & 255), `byte ${offset + i - off}`)
  check(end === 8192 || bytes[end] === 0, 'read beyond the end')
}
for (const [offset, len] of [
  [LEN, 1],
  [LEN - 511, 512],
  [2 ** 52, 512],
]) {
  expectThrow(RangeError, () => native.blockRead(0, offset, bytes, 0, len), `read at ${offset}`)
  expectThrow(RangeError, () => native.blockWrite(0, offset, bytes, 0, len), `write at ${offset}`)
}
expectThrow(RangeError, () => native.blockWrite(1, 0, bytes, 0, 512), 'write to the read-only disk')
const sector = new Uint8Array(512).fill(0xab)
check(native.blockWrite(0, 512, sector, 0, 512) && native.blockFlush(0), 'write and flush')
check(native.blockRead(1, 0, bytes, 0, 2048), 'read again')
check(bytes[511] === ((511 * 7) & 255) && bytes[512] === 0xab && bytes[1023] === 0xab, 'what was written')
check(bytes[1024] === ((1024 * 7) & 255), 'behind what was written')
success()
