// Assets arrive whole, in order, in place, and cannot be changed.

check(native.assetCount === 3, `assetCount ${native.assetCount}`)
const before = native.memory().usedBytes
const [small, empty, large] = [0, 1, 2].map((i) => native.asset(i))
check(native.memory().usedBytes - before < 10000, 'assets were copied')
check(String.fromCharCode(...new Uint8Array(small)) === 'first asset', 'asset 0')
check(empty.byteLength === 0, 'asset 1')
check(large.byteLength === 3000001, 'asset 2')
const bytes = new Uint8Array(large)
for (let i = 0; i < 3000001; i += 997) check(bytes[i] === (i * 7 + 3) % 251, `asset 2 at ${i}`)
check(bytes[3000000] === (3000000 * 7 + 3) % 251, 'last byte of asset 2')

expectThrow(TypeError, () => bytes.fill(0), 'fill')
expectThrow(TypeError, () => bytes.set([1]), 'set')
expectThrow(TypeError, () => new DataView(large).setUint8(0, 1), 'setUint8')
expectThrow(TypeError, () => large.transfer(), 'transfer')
expectThrow(TypeError, () => native.entropyFill(bytes, 0, 1), 'entropyFill')
expectThrow(RangeError, () => native.asset(3), 'asset(3)')
expectThrow(RangeError, () => native.asset(-1), 'asset(-1)')
success()
