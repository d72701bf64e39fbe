/** The scoreboard against a naive one: an array of segments, looked through each time (RFC 6675, RFC 2018, RFC 8985). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Seq, seqAdd, seqDiff } from '../seq.ts'
import { type DeliveryListener, Scoreboard } from './scoreboard.ts'

interface Naive {
  start: number
  end: number
  sentUs: number
  state: 'flying' | 'sacked' | 'lost'
  isRepeated: boolean
}

/** Numbers are offsets from a base close to the wrap. */
const BASE = 0xffffff00 as Seq

type Delivered = Omit<Naive, 'state'>

/** Segments in a row that left once and at one moment may be told as one. */
function joined(those: readonly Delivered[]): Delivered[] {
  const result: Delivered[] = []
  for (const one of those) {
    const last = result.at(-1)
    const isRun = last?.end === one.start && last.sentUs === one.sentUs && !last.isRepeated && !one.isRepeated
    if (isRun) last.end = one.end
    else result.push({ ...one })
  }
  return result
}

class Model implements DeliveryListener {
  readonly real = new Scoreboard()
  naive: Naive[] = []
  now = 0
  una = 0
  nxt = 0
  told: Delivered[] = []
  expected: Delivered[] = []

  onDelivered(lenBytes: number, end: Seq, sentUs: number, isRepeated: boolean): void {
    const at = seqDiff(end, BASE)
    this.told.push({ start: at - lenBytes, end: at, sentUs, isRepeated })
  }

  deliver({ start, end, sentUs, isRepeated }: Naive): void {
    this.expected.push({ start, end, sentUs, isRepeated })
  }

  push(len: number): void {
    this.naive.push({ start: this.nxt, end: this.nxt + len, sentUs: this.now, state: 'flying', isRepeated: false })
    this.real.push(at(this.nxt), at(this.nxt + len), this.now, false)
    this.nxt += len
  }

  pushRun(len: number, count: number): void {
    this.real.pushRun(at(this.nxt), len, count, this.now)
    for (let i = 0; i < count; i++, this.nxt += len) {
      this.naive.push({ start: this.nxt, end: this.nxt + len, sentUs: this.now, state: 'flying', isRepeated: false })
    }
  }

  acknowledge(una: number): void {
    this.una = una
    for (const one of this.naive) if (one.end <= una && one.state !== 'sacked') this.deliver(one)
    this.naive = this.naive.filter((one) => one.end > una)
    for (const one of this.naive) one.start = Math.max(one.start, una)
    this.real.acknowledge(at(una), this)
  }

  sack(start: number, end: number): void {
    for (const one of this.naive) {
      if (one.state === 'sacked' || one.start < start || one.end > end) continue
      this.deliver(one)
      one.state = 'sacked'
    }
    this.real.sack(at(start), at(end), this)
  }

  lose(which: 'first' | 'all'): void {
    const those = which === 'all' ? this.naive : this.naive.slice(0, 1)
    for (const one of those) if (one.state === 'flying') one.state = 'lost'
    if (which === 'all') this.real.loseAll()
    else this.real.loseFirst()
  }

  loseOverdue(index: number, overdueUs: number): void {
    const newest = this.naive[index]
    if (newest === undefined) return
    const before = (one: Naive): boolean =>
      one.sentUs < newest.sentUs || (one.sentUs === newest.sentUs && one.end < newest.end)
    let leastUs = Number.POSITIVE_INFINITY
    for (const one of this.naive) {
      if (one.state !== 'flying' || !before(one)) continue
      const remainingUs = one.sentUs + overdueUs - this.now
      if (remainingUs <= 0) one.state = 'lost'
      else leastUs = Math.min(leastUs, remainingUs)
    }
    const got = this.real.loseOverdue(newest.sentUs, at(newest.end), overdueUs, this.now)
    assert.equal(got, leastUs === Number.POSITIVE_INFINITY ? 0 : leastUs)
  }

  resendLost(): void {
    const wanted = this.naive.find((one) => one.state === 'lost')
    const number = this.real.nextLost()
    assert.equal(number < 0, wanted === undefined)
    if (wanted === undefined) return
    assert.equal(seqDiff(this.real.startOf(number), BASE), wanted.start)
    this.real.resend(number, this.now)
    wanted.state = 'flying'
    wanted.isRepeated = true
    wanted.sentUs = this.now
  }

  resendLast(): void {
    const last = this.naive.at(-1)
    if (last === undefined || last.state === 'sacked') return
    this.real.resend(this.real.lastNumber(), this.now)
    Object.assign(last, { state: 'flying', isRepeated: true, sentUs: this.now })
  }

  renege(): void {
    assert.equal(this.real.isReneged(), this.naive[0]?.state === 'sacked')
    this.real.forgetSacks()
    // What is forgotten comes last in the order of sending but keeps its time: the order is by time only up to there.
    for (const one of this.naive) if (one.state === 'sacked') Object.assign(one, { state: 'flying', isRepeated: true })
    this.lose('all')
  }

  check(): void {
    const bytes = (state?: Naive['state']): number =>
      this.naive.reduce((sum, one) => sum + (state === undefined || one.state === state ? one.end - one.start : 0), 0)
    const { real } = this
    assert.deepEqual(joined(this.told), joined(this.expected))
    assert.deepEqual(
      [real.count, real.sackedCount, real.heldBytes, real.sackedBytes, real.lostBytes, real.pipeBytes],
      [
        this.naive.length,
        this.naive.filter((one) => one.state === 'sacked').length,
        bytes(),
        bytes('sacked'),
        bytes('lost'),
        bytes('flying'),
      ],
    )
  }
}

function at(offset: number): Seq {
  return seqAdd(BASE, offset)
}

const step = fc.record({
  kind: fc.constantFrom(
    'push',
    'push',
    'run',
    'ack',
    'sack',
    'sack',
    'first',
    'all',
    'overdue',
    'resend',
    'last',
    'renege',
  ),
  a: fc.nat(1_000_000),
  b: fc.nat(1_000_000),
})

test('tcp scoreboard: does what a naive one does, whatever happens (RFC 6675 §4, RFC 8985 §6.2)', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const m = new Model()
      for (const { kind, a, b } of steps) {
        // Copies leave later than what left before: of one moment, the list would have them in the order of leaving.
        m.now += kind === 'resend' || kind === 'last' ? 1 : a % 3
        const flight = m.nxt - m.una
        if (kind === 'push') m.push(1 + (a % 100))
        else if (kind === 'run') m.pushRun(1 + (a % 100), 1 + (b % 45))
        else if (kind === 'ack') m.acknowledge(m.una + (a % (flight + 1)))
        else if (kind === 'sack' && flight > 0) {
          const start = m.una + (a % flight)
          m.sack(start, start + 1 + (b % (m.nxt - start)))
        } else if (kind === 'first' || kind === 'all') m.lose(kind)
        else if (kind === 'overdue') m.loseOverdue(a % (m.naive.length + 1), b % 20)
        else if (kind === 'resend') m.resendLost()
        else if (kind === 'last') m.resendLast()
        else if (kind === 'renege') m.renege()
        m.check()
      }
    }),
    { numRuns: 1000 },
  )
})

test('tcp scoreboard: a large frame that has arrived is told at once', () => {
  const m = new Model()
  for (let i = 0; i < 100; i++) {
    m.now++
    m.pushRun(1448, 45)
    m.check()
    m.acknowledge(m.nxt - (i % 2 === 0 ? 0 : 1448 * 44 + 700))
    m.check()
  }
  assert.ok(m.told.length < 200, `told ${m.told.length} times`)
})

test('tcp scoreboard: a segment cut by an acknowledgement fits into a block that it was too long for', () => {
  const m = new Model()
  m.push(4)
  m.sack(1, 4)
  m.acknowledge(3)
  m.sack(3, 4)
  m.check()
  assert.equal(m.real.sackedBytes, 1)
})

test('tcp scoreboard: a block that grows costs only what is new (CVE-2019-11478)', () => {
  let told = 0
  const listener = { onDelivered: () => void told++ }
  const real = new Scoreboard()
  for (let i = 0; i < 4000; i++) real.push(at(i), at(i + 1), 0, false)
  let looked = 0
  const endOf = real.endOf.bind(real)
  real.endOf = (number) => {
    looked++
    return endOf(number)
  }
  for (let end = 2; end <= 4000; end++) real.sack(at(1), at(end), listener)
  assert.equal(told, 3999)
  assert.ok(looked < 4000 * 2 * 20, `looked ${looked} times`)
})
