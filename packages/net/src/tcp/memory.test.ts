/** Memory: one bound for all, none for idle connections, windows that grow with the path. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes, ms } from '@mirage-ts/core/time'
import { Script } from '@mirage-ts/testing/tcp-script'
import { EVENT_WRITABLE } from './connection.ts'
import { RingMemory } from './memory.ts'
import { Ring } from './ring.ts'

test('tcp memory: no more than the bound, and a quarter for small buffers only (tcpip #534, #535: no bound at all)', () => {
  const memory = new RingMemory(128 * 1024)
  const large = memory.take(64 * 1024)
  assert.ok(large !== undefined)
  assert.equal(memory.take(64 * 1024), undefined)
  const small = []
  for (;;) {
    const buffer = memory.take(4096)
    if (buffer === undefined) break
    small.push(buffer)
  }
  assert.equal(small.length, 16)
  assert.ok(memory.isTight)
  for (const buffer of [large, ...small]) memory.give(buffer)
  assert.equal(memory.usedBytes, 0)
  assert.ok(memory.spareBytes > 0 && memory.spareBytes <= 16 * 1024)
})

test('tcp memory: spare buffers are used again, and make way when another size is needed', () => {
  const memory = new RingMemory(64 * 1024)
  const first = memory.take(4096)
  assert.ok(first !== undefined)
  memory.give(first)
  assert.equal(memory.take(4096), first)
  memory.give(first)
  for (let i = 0; i < 8; i++) assert.ok(memory.take(8192) !== undefined || i >= 6)
  assert.ok(memory.usedBytes + memory.spareBytes <= 64 * 1024)
})

test('tcp memory: a chunk is shorter where the machine has no room for one so long', () => {
  let roomBytes = Number.POSITIVE_INFINITY
  const memory = new RingMemory(1 << 20, (bytes) => {
    if (bytes > roomBytes) throw new RangeError('out of memory')
    return new Uint8Array(bytes)
  })
  const ring = new Ring(memory, 1 << 18)
  const octets = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7)
  const hold = (count: number) => {
    assert.ok(ring.reserve(count))
    ring.write(0, octets, 0, count)
    ring.extend(count)
  }
  hold(octets.length)
  roomBytes = 20_000
  const out: number[] = []
  while (ring.lenBytes > 0) {
    const chunk = ring.copyOut(ring.lenBytes)
    assert.ok(chunk.length >= Math.min(10_000, 100_000 - out.length) && chunk.length <= roomBytes, `${chunk.length}`)
    out.push(...chunk)
  }
  assert.deepEqual(Uint8Array.from(out), octets)
  roomBytes = 4096
  hold(1)
  roomBytes = 0
  assert.throws(() => ring.copyOut(1), RangeError)
})

test('tcp memory: on a machine with less than the bound there is a lower bound, and nothing is thrown', () => {
  let leftBytes = 400 * 1024
  const memory = new RingMemory(1 << 20, (bytes) => {
    if (bytes > leftBytes) throw new RangeError('out of memory')
    leftBytes -= bytes
    return new Uint8Array(bytes)
  })
  const ring = new Ring(memory, 1 << 20)
  assert.equal(ring.reserve(250 * 1024), true)
  assert.equal(ring.reserve(300 * 1024), false)
  assert.equal(memory.usedBytes, 256 * 1024)
  assert.equal(memory.maxBytes, 320 * 1024)
  assert.ok(memory.isTight)
  assert.equal(memory.take(32 * 1024), undefined)
  assert.notEqual(memory.take(16 * 1024), undefined)
  ring.release()
  leftBytes = 0
  assert.equal(memory.take(4096), undefined)
  assert.equal(memory.maxBytes, 80 * 1024)
})

test('tcp memory: a ring that needed much begins with much, and forgets that by and by', () => {
  const ring = new Ring(new RingMemory(1 << 20), 65536)
  ring.reserve(30_000)
  ring.release()
  ring.reserve(1)
  assert.equal(ring.capacityBytes, 32768)
  for (let i = 0; i < 3; i++) {
    ring.release()
    ring.reserve(1)
  }
  assert.equal(ring.capacityBytes, 4096)
})

test('tcp memory: an idle connection holds no buffer and no scoreboard, keep-alive or not (tcpip #367)', () => {
  const s = Script.established({ keepAlive: minutes(1) })
  s.write(100_000)
  for (let acked = 0; acked < 100_000; ) {
    acked = Math.min(acked + 14_600, 100_000)
    s.send({ seq: 1, ack: 1 + acked })
  }
  s.send({ seq: 1, ack: 100_001, text: 1000 })
  s.read()
  for (let probe = 0; probe < 3; probe++) {
    assert.equal(s.machine.memory.usedBytes, 0)
    assert.equal(s.theConnection().board.count, 0)
    s.advance(minutes(1))
    s.send({ seq: 1001, ack: 100_001 })
  }
  assert.ok(s.machine.counters.keepAlives > 0)
})

test('tcp memory: without memory text is dropped, not acknowledged, and taken when there is some', () => {
  const s = Script.established({ memoryBytes: 8192 })
  s.send({ seq: 1, ack: 1, text: 1000 })
  const one = s.machine.memory.take(4096)
  assert.ok(one !== undefined)
  s.sent.length = 0
  for (let seq = 1001; seq < 6001; seq += 1000) s.send({ seq, ack: 1, text: 1000 })
  assert.ok(s.machine.counters['text-dropped'] > 0)
  s.read()
  s.send({ seq: 4001, ack: 1, text: 1000 })
  assert.equal(s.read()?.length, 1000)
})

test('tcp memory: who waits for memory to write is told when another connection gives it back', () => {
  const s = Script.established({ memoryBytes: 32 * 1024 })
  const held = Array.from({ length: 8 }, () => s.machine.memory.take(4096))
  s.events = 0
  assert.equal(s.write('x'), 0)
  assert.equal(s.machine.counters.noMemory, 1)
  for (const buffer of held) if (buffer !== undefined) s.machine.memory.give(buffer)
  s.send({ seq: 1, ack: 1, text: 'x' })
  assert.equal(s.events & EVENT_WRITABLE, EVENT_WRITABLE)
  assert.equal(s.write('x'), 1)
})

test('tcp memory: the window doubles when the user takes half of it in a round-trip time, up to the bound', () => {
  const s = Script.established({ receiveBufferBytes: 1 << 20 }, { windowScale: 0 })
  const { receiveRing } = s.theConnection()
  assert.equal(receiveRing.maxBytes, 256 * 1024)
  let seq = 1
  for (let round = 0; round < 6; round++) {
    s.advance(ms(10))
    for (let taken = 0; taken < receiveRing.maxBytes; taken += 1460, seq += 1460) {
      s.send({ seq, ack: 1, text: 1460 })
      s.sent.length = 0
      // All but the last read leave the tuning's clock alone.
      s.theConnection().tunedAtUs = s.now + 1
      s.read()
    }
    s.theConnection().tunedAtUs = 0
    s.send({ seq, ack: 1, text: 10 })
    seq += 10
    s.read()
  }
  assert.equal(receiveRing.maxBytes, 1 << 20)
})

test('tcp memory: the send buffer grows with the congestion window', () => {
  const s = Script.established({ sendBufferBytes: 1 << 20 }, { windowScale: 4, window: 1 << 19 })
  const { sendRing, congestion } = s.theConnection()
  congestion.cwndBytes = 200_000
  s.write(150_000)
  s.send({ seq: 1, ack: 1461, window: (1 << 19) >> 4 })
  assert.equal(sendRing.maxBytes, 512 * 1024)
})
