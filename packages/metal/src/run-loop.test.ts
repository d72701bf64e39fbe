import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { NEVER } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'
import fc from 'fast-check'
import { RunLoop } from './run-loop.ts'

/** More than may be cleared and stay. */
const ALARM_COUNT = 150

function setUp() {
  const clock = { nowUs: 100 }
  return { clock, loop: new RunLoop(() => clock.nowUs) }
}

describe('run loop', () => {
  it('without work says that it may sleep for ever', () => {
    assert.equal(setUp().loop.poll(), NEVER)
  })

  it('rings an alarm once, not before its deadline, and not when cleared or put off', () => {
    const { clock, loop } = setUp()
    let rings = 0
    const alarm = loop.alarm(() => rings++)
    alarm.set(200 as Instant)
    assert.equal(loop.poll(), 200)
    alarm.set(300 as Instant)
    clock.nowUs = 250
    assert.equal(loop.poll(), 300)
    assert.equal(rings, 0)
    clock.nowUs = 300
    assert.equal(loop.poll(), NEVER)
    assert.equal(rings, 1)
    alarm.set(400 as Instant)
    alarm.clear()
    clock.nowUs = 500
    loop.poll()
    assert.equal(rings, 1)
  })

  it('an alarm that sets itself again for now does not keep the round from ending', () => {
    const { clock, loop } = setUp()
    let rings = 0
    const alarm = loop.alarm(() => {
      rings++
      alarm.set(clock.nowUs as Instant)
    })
    alarm.set(100 as Instant)
    assert.equal(loop.poll(), 100)
    assert.equal(rings, 1)
  })

  it('serves devices first, flushes last, and comes back when a device has more', () => {
    const { loop } = setUp()
    const order: string[] = []
    let more = true
    loop.add({
      poll: () => {
        order.push('poll')
        return more
      },
      flush: () => order.push('flush'),
    })
    loop.alarm(() => order.push('ring')).set(50 as Instant)
    assert.equal(loop.poll(), 0)
    more = false
    assert.equal(loop.poll(), NEVER)
    assert.deepEqual(order, ['poll', 'ring', 'flush', 'poll', 'flush'])
  })

  it('does not keep what alarms were for after they were cleared', async () => {
    const { loop } = setUp()
    const kept: WeakRef<object>[] = []
    const lasting = loop.alarm(() => {})
    lasting.set(1e9 as Instant)
    for (let i = 0; i < 1000; i++) {
      const connection = { octets: new Uint8Array(100) }
      const alarm = loop.alarm(() => connection.octets.fill(0))
      alarm.set((1e6 + i) as Instant)
      alarm.clear()
      kept.push(new WeakRef(connection))
    }
    // What a WeakRef has shown in a job lives to its end.
    await new Promise((resolve) => setImmediate(resolve))
    setFlagsFromString('--expose-gc')
    ;(runInNewContext('gc') as () => void)()
    assert.ok(kept.filter((ref) => ref.deref() !== undefined).length <= 65)
    assert((loop.poll() as number) <= 1e9)
  })

  it('agrees with a sorted list, whatever is set, put off and cleared', () => {
    const step = fc.record({
      alarm: fc.nat(ALARM_COUNT - 1),
      at: fc.option(fc.nat(1000), { nil: undefined }),
      advance: fc.nat(50),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const { clock, loop } = setUp()
        const expected = new Map<number, number>()
        const rung: number[] = []
        const alarms = Array.from({ length: ALARM_COUNT }, (_, i) => loop.alarm(() => rung.push(i)))
        for (const { alarm, at, advance } of steps) {
          if (at === undefined) {
            alarms[alarm]?.clear()
            expected.delete(alarm)
          } else {
            alarms[alarm]?.set(at as Instant)
            expected.set(alarm, at)
          }
          clock.nowUs += advance
          const due = [...expected].filter(([, deadline]) => deadline <= clock.nowUs).map(([i]) => i)
          for (const i of due) expected.delete(i)
          loop.poll()
          assert.deepEqual(rung.splice(0).sort(), due.sort())
          assert((loop.poll() as number) <= Math.min(...expected.values()))
        }
      }),
    )
  })
})
