// Target spt: sends every frame back that device 0 receives, many in one call; ends when the device has gone.

const SLOT = 2048
const MAX = 64
const received = new Uint8Array(MAX * SLOT)
const lens = new Uint32Array(MAX)
const spans = new Uint32Array(2 * MAX)
const waiting = new Uint8Array(MAX * SLOT)
let count = 0
let frames = 0
let rounds = 0

expectThrow(RangeError, () => native.netOpen(1), 'netOpen(1)')
expectThrow(TypeError, () => native.netReceive(0, received, spans.buffer), 'lens of another type')
expectThrow(RangeError, () => native.netReceive(0, received, new Uint32Array(0)), 'no lens')
check(native.netReceive(0, received, lens) === -1, 'received before netOpen')
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
    const got = native.netReceive(0, received, lens)
    if (got < 0) finish()
    for (let i = 0; i < got; i++) {
      const off = i * SLOT + native.netHeadroom
      waiting.set(received.subarray(i * SLOT, i * SLOT + lens[i]), off)
      spans[2 * i] = off
      spans[2 * i + 1] = off + lens[i]
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
