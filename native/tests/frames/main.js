// Target spt: sends every frame back that device 0 receives, many in one call; ends when the device has gone.

const SLOT = 2048
const MAX = 64
const received = new Uint8Array(native.netReceiveMin)
const found = new Uint32Array(2 * MAX)
const spans = new Uint32Array(2 * MAX)
const waiting = new Uint8Array(MAX * SLOT)
let count = 0
let frames = 0
let rounds = 0

expectThrow(RangeError, () => native.netOpen(1), 'netOpen(1)')
expectThrow(TypeError, () => native.netReceive(0, received, new Int32Array(2), SLOT), 'spans of another type')
expectThrow(RangeError, () => native.netReceive(0, received.subarray(1), found, SLOT), 'too few octets')
expectThrow(RangeError, () => native.netReceive(0, received, found, received.length + 1), 'longer than there is room')
check(native.netReceive(0, received, found, SLOT) === -1, 'received before netOpen')
check(native.netHasOffload(0) === false, 'netHasOffload of a socket')
native.netOpen(0)
for (const span of [
  [3, 60],
  [60, 59],
  [4, waiting.length + 1],
  [0, 0],
]) {
  spans.set(span)
  expectThrow(RangeError, () => native.netSend(0, waiting, spans, 1), `span ${span}`)
}
expectThrow(RangeError, () => native.netSend(0, waiting, spans, MAX + 1), 'more than there are')
print('open')

const finish = () => {
  print(`SUCCESS ${frames} frames in ${rounds} rounds`)
  native.exit(0)
}

native.setPoll(() => {
  if (count === 0) {
    const got = native.netReceive(0, received, found, SLOT)
    if (got < 0) finish()
    for (let i = 0; i < got; i++) {
      const off = i * SLOT + native.netHeadroom
      const frame = received.subarray(found[2 * i], found[2 * i + 1])
      waiting.set(frame, off)
      spans[2 * i] = off
      spans[2 * i + 1] = off + frame.length
    }
    count = got
    frames += got
    if (got > 0) rounds++
  }
  if (count > 0) {
    const sent = native.netSend(0, waiting, spans, count)
    if (sent < 0) finish()
    spans.copyWithin(0, 2 * sent)
    count -= sent
    if (count === 0) return 0
  }
  return Infinity
})
