import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import type { Ipv6, Port } from '@mirage-ts/signatures/addresses'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { seqDiff } from '../seq.ts'
import { IsnGenerator } from './isn.ts'
import { choosePort } from './ports.ts'

const A = ipv4(10, 0, 0, 1)
const B = ipv4(10, 0, 0, 2)
const at = (us: number): Instant => us as Instant
const port = (n: number): Port => n as Port

test('isn: moves by one every 4 µs for one conversation (RFC 6528 §3)', () => {
  const isn = new IsnGenerator(new SeededRandom(1))
  const first = isn.next(A, port(1), B, port(2), at(1000))
  assert.equal(seqDiff(isn.next(A, port(1), B, port(2), at(1400)), first), 100)
  assert.equal(isn.next(A, port(1), B, port(2), at(1000)), first)
})

test('isn: every part of the conversation and the secret counts, half the bits change', () => {
  const numbers = [
    new IsnGenerator(new SeededRandom(1)).next(A, port(1), B, port(2), at(0)),
    new IsnGenerator(new SeededRandom(2)).next(A, port(1), B, port(2), at(0)),
    ...(
      [
        [B, 1, A, 2],
        [A, 2, B, 1],
        [A, 3, B, 2],
        [A, 1, B, 3],
        [A, 1, ipv4(10, 0, 0, 3), 2],
      ] as const
    ).map(([local, localPort, remote, remotePort]) =>
      new IsnGenerator(new SeededRandom(1)).next(local, port(localPort), remote, port(remotePort), at(0)),
    ),
  ]
  assert.equal(new Set(numbers).size, numbers.length)
  let changedBits = 0
  const isn = new IsnGenerator(new SeededRandom(9))
  for (let n = 0; n < 1000; n++) {
    let difference = isn.next(A, port(n), B, port(2), at(0)) ^ isn.next(A, port(n ^ 1), B, port(2), at(0))
    for (; difference !== 0; difference &= difference - 1) changedBits++
  }
  assert.ok(changedBits > 15_500 && changedBits < 16_500, `${changedBits} of 32000 bits changed`)
})

test('isn: IPv6 conversations too', () => {
  const isn = new IsnGenerator(new SeededRandom(1))
  const a = 0x20010db8000000000000000000000001n as Ipv6
  const b = 0x20010db8000000000000000000000002n as Ipv6
  assert.notEqual(isn.next(a, port(1), b, port(2), at(0)), isn.next(b, port(1), a, port(2), at(0)))
})

test('ports: spread over 1024 to 65535 (RFC 6056 §3.2; utcp: TX port < 1024)', () => {
  const random = new SeededRandom(1)
  const buckets = new Array<number>(8).fill(0)
  for (let i = 0; i < 8000; i++) {
    const chosen = choosePort(random, () => true) as number
    assert.ok(chosen >= 1024 && chosen <= 65535)
    buckets[(chosen - 1024) >> 13] = (buckets[(chosen - 1024) >> 13] as number) + 1
  }
  for (const bucket of buckets) assert.ok(bucket > 850 && bucket < 1150, `${buckets}`)
})

test('ports: finds the only free one, and none when there is none (tcpip #462)', () => {
  const random = new SeededRandom(1)
  assert.equal(
    choosePort(random, (candidate) => candidate === 1024),
    1024,
  )
  assert.equal(
    choosePort(random, (candidate) => candidate === 65535),
    65535,
  )
  assert.equal(
    choosePort(random, () => false),
    undefined,
  )
})
