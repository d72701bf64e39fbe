// Every wrong argument throws the right kind of error with a sentence.

const bytes = new Uint8Array(16)
const detached = new Uint8Array(16)
detached.buffer.transfer()

for (const [name, call] of Object.entries({
  consoleWrite: native.consoleWrite,
  entropyFill: native.entropyFill,
  checksum: (b, off, end) => native.checksum(b, off, end, 0),
  crc32c: native.crc32c,
})) {
  for (const wrong of [
    undefined,
    null,
    1,
    'text',
    {},
    [1, 2],
    bytes.buffer,
    new Int8Array(4),
    new DataView(bytes.buffer),
  ])
    expectThrow(TypeError, () => call(wrong, 0, 0), `${name}(${typeof wrong})`)
  expectThrow(TypeError, () => call(detached, 0, 0), `${name}(detached)`)
  for (const [off, end] of [
    [0, 17],
    [17, 17],
    [-1, 4],
    [5, 4],
    [0.5, 4],
    [0, NaN],
    [0, Infinity],
    [2 ** 53, 2 ** 53],
  ])
    expectThrow(RangeError, () => call(bytes, off, end), `${name}(${off}, ${end})`)
  for (const wrong of [undefined, '1', null, 1n, {}])
    expectThrow(TypeError, () => call(bytes, wrong, 4), `${name}(off ${typeof wrong})`)
  call(bytes, 16, 16)
  call(new Uint8Array(0), 0, 0)
}
expectThrow(TypeError, () => native.consoleWrite(), 'consoleWrite()')
for (const wrong of [undefined, 1, bytes, {}])
  expectThrow(TypeError, () => native.consolePrint(wrong), `consolePrint(${typeof wrong})`)
expectThrow(RangeError, () => native.crc32(bytes, 0, 4, 2 ** 32), 'crc32(initial 2^32)')
const eight = new Uint8Array(8)
expectThrow(RangeError, () => native.sipHash24(eight, bytes, 4, eight), 'sipHash24(short key)')
expectThrow(RangeError, () => native.sipHash24(bytes, bytes, 17, eight), 'sipHash24(end beyond)')
expectThrow(RangeError, () => native.sipHash24(bytes, bytes, 4, new Uint8Array(7)), 'sipHash24(short out)')
expectThrow(TypeError, () => native.sipHash24(bytes, bytes, 4, [1]), 'sipHash24(out array)')
expectThrow(RangeError, () => native.checksum(bytes, 0, 4, -1), 'checksum(initial -1)')
expectThrow(RangeError, () => native.checksum(bytes, 0, 4, 2 ** 53), 'checksum(initial 2^53)')
expectThrow(
  TypeError,
  () => native.entropyFill(new Uint8Array(new ArrayBuffer(4).transferToImmutable()), 0, 4),
  'entropyFill(immutable)',
)

// A view that follows a shrinking buffer never reaches beyond it.
const resizable = new ArrayBuffer(64, { maxByteLength: 1024 })
const following = new Uint8Array(resizable)
const fixed = new Uint8Array(resizable, 0, 64)
resizable.resize(8)
expectThrow(RangeError, () => native.entropyFill(following, 0, 9), 'shrunk view')
expectThrow(TypeError, () => native.entropyFill(fixed, 0, 1), 'view out of bounds')

// Views are taken relative to themselves.
bytes.fill(0)
native.entropyFill(new Uint8Array(bytes.buffer, 4, 8), 2, 6)
check(
  bytes.subarray(0, 6).every((b) => b === 0) && bytes.subarray(10).every((b) => b === 0),
  'entropyFill outside its range',
)

// Device memory only, aligned, exact ranges.
const dma = native.dmaAlloc(5000, 4096)
const address = native.dmaAddress(dma)
check(dma.byteLength === 5000 && address % 4096 === 0, 'dmaAlloc')
check(
  new Uint8Array(dma).every((b) => b === 0),
  'dmaAlloc is not zeroed',
)
for (const bad of [address, 0, 4096, 0x100000, 0xfee00031, 2 ** 32, 2 ** 40, -4, 0.5])
  for (const call of [native.mmioRead32, (a) => native.mmioWrite32(a, 0)])
    expectThrow(RangeError, () => call(bad), `mmio at ${bad}`)
expectThrow(RangeError, () => native.mmioRead16(0xfee00031), 'mmioRead16 unaligned')
if (native.target === 'virtio') check(native.mmioRead32(0xfee00030) !== 0, 'the local APIC has a version')
expectThrow(RangeError, () => native.mmioWrite8(0xfee00030, 256), 'mmioWrite8(256)')
expectThrow(TypeError, () => native.mmioRead32('0'), 'mmioRead32(string)')
expectThrow(RangeError, () => native.portRead8(65536), 'portRead8(65536)')
expectThrow(RangeError, () => native.portWrite16(0x80, 65536), 'portWrite16(65536)')
expectThrow(RangeError, () => native.portWrite32(0x80, -1), 'portWrite32(-1)')

for (const [len, align] of [
  [0, 16],
  [16, 0],
  [16, 24],
  [-1, 16],
  [2 ** 31, 16],
])
  expectThrow(RangeError, () => native.dmaAlloc(len, align), `dmaAlloc(${len}, ${align})`)
let error
try {
  native.dmaAlloc(2 ** 30, 16)
} catch (e) {
  error = e
}
check(`${error}`.includes('out of memory'), `dmaAlloc(1 GiB) threw ${error}`)
expectThrow(TypeError, () => native.dmaAddress(new ArrayBuffer(16)), 'dmaAddress(other buffer)')
expectThrow(TypeError, () => native.dmaAddress(new ArrayBuffer(0)), 'dmaAddress(empty buffer)')
expectThrow(TypeError, () => native.dmaAddress(bytes), 'dmaAddress(view)')
const moved = dma.transfer()
check(native.dmaAddress(moved) === address, 'dmaAddress follows a transfer')
expectThrow(TypeError, () => native.dmaAddress(dma), 'dmaAddress(detached)')

expectThrow(RangeError, () => native.irqEnable(1000, true, false), 'irqEnable(1000)')
expectThrow(TypeError, () => native.irqEnable(4, 1, false), 'irqEnable(isLevel 1)')
expectThrow(TypeError, () => native.irqEnable(4, true), 'irqEnable(no isLow)')
expectThrow(TypeError, () => native.firmwareRead(0xf0000, [1], 0, 1), 'firmwareRead(array)')
expectThrow(RangeError, () => native.firmwareRead(0xf0000, bytes, 0, 17), 'firmwareRead(end beyond)')
expectThrow(RangeError, () => native.stopBy8(true, 0x604, 256), 'stopBy8(256)')
expectThrow(RangeError, () => native.resetBy(true, 0x604, 256), 'resetBy(256)')
expectThrow(TypeError, () => native.resetBy(1, 0x604, 1), 'resetBy(isPort 1)')
// What a table of the firmware may say is answered, not thrown.
for (const address of [0, 0x1000, 0x20_0000, 2 ** 40, 2 ** 47, 2 ** 53 - 1]) {
  if (native.firmwareRead(address, bytes, 0, 16)) throw new Error(`firmwareRead(${address}) read RAM, or nothing`)
  if (native.mmioMap(address, 2 ** 53 - 1)) throw new Error(`mmioMap(${address}) maps everything`)
  if (native.irqController(address, 0)) throw new Error(`irqController(${address}) is there`)
  if (native.stopBy32(false, address, 1)) throw new Error(`stopBy32(${address}) is there`)
  if (native.resetBy(false, address, 1)) throw new Error(`resetBy(${address}) is there`)
}
if (native.stopBy16(true, 0x10000, 1)) throw new Error('stopBy16(port 0x10000) is there')
if (native.mmioMap(0xfec00000, 0)) throw new Error('mmioMap maps nothing')
expectThrow(TypeError, () => native.setPoll(1), 'setPoll(1)')
for (const status of [-1, 128, 1.5]) {
  expectThrow(RangeError, () => native.exit(status), `exit(${status})`)
  expectThrow(RangeError, () => native.restart(status), `restart(${status})`)
}
expectThrow(RangeError, () => native.asset(0), 'asset(0) without assets')
// biome-ignore lint/security/noGlobalEval: there must be none
expectThrow(Error, () => globalThis.eval('1 + 1'), 'eval')
expectThrow(Error, () => new Function('return 1'), 'new Function')

const { totalBytes, heapBytes, usedBytes } = native.memory()
check(totalBytes > heapBytes && heapBytes > usedBytes && usedBytes > 0, 'memory()')
check(
  Math.abs(native.wallUs() - native.monotonicUs() - Date.now() * 1000 + native.monotonicUs()) < 1e6,
  'Date is the wall clock',
)
native.barrier()
success()
