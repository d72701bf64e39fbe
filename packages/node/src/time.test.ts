import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { CancelController } from '@mirage-ts/core/cancel'
import { after, minutes, ms, NEVER, us } from '@mirage-ts/core/time'
import { createMonotonicClock, createWallClock } from './clock.ts'
import { createTime } from './time.ts'

const time = createTime()
const clock = createMonotonicClock()

test('clock: whole microseconds that never go back; the wall clock agrees with Date', () => {
  let last = clock.now()
  for (let i = 0; i < 1000; i++) {
    const now = clock.now()
    assert.ok(Number.isInteger(now) && now >= last)
    last = now
  }
  const earliest = Date.now()
  const wallMs = createWallClock().now() / 1000
  assert.ok(earliest <= wallMs && wallMs <= Date.now())
})

test('time: a sleep never ends early', async () => {
  await Promise.all(
    [0, 1, 100, 999, 1000, 1500, 2001, 5000, 9999].map(async (count) => {
      const deadline = after(clock.now(), us(count))
      await time.sleep(us(count))
      assert.ok(clock.now() >= deadline, `${count} µs`)
    }),
  )
})

test('time: a cancelled sleep rejects with the reason', async () => {
  const cancelling = new CancelController()
  const sleeping = time.sleep(minutes(1), { signal: cancelling.signal })
  const reason = new Error('enough')
  cancelling.cancel(reason)
  await assert.rejects(sleeping, (error) => error === reason)
})

test('time: an alarm rings once, at the last deadline set, and not inside set', async () => {
  const rings: number[] = []
  const alarm = time.alarm(() => rings.push(clock.now()))
  const later = after(clock.now(), ms(20))
  alarm.set(after(clock.now(), ms(5)))
  alarm.set(later)
  // Past both deadlines. How long a sleep takes beyond its time is the machine's affair: what counts is when it rang.
  await time.sleep(ms(40))
  assert.equal(rings.length, 1)
  assert.ok((rings[0] as number) >= later)
  alarm.set(clock.now())
  assert.equal(rings.length, 1)
  await time.sleep(ms(5))
  assert.equal(rings.length, 2)
})

test('time: an alarm set earlier rings earlier; a cleared one does not ring', async () => {
  let ringCount = 0
  const alarm = time.alarm(() => ringCount++)
  alarm.set(after(clock.now(), minutes(10)))
  alarm.set(after(clock.now(), ms(1)))
  await time.sleep(ms(10))
  assert.equal(ringCount, 1)
  alarm.set(after(clock.now(), ms(1)))
  alarm.clear()
  alarm.clear()
  alarm.set(NEVER)
  await time.sleep(ms(10))
  assert.equal(ringCount, 1)
})

test('time: a delay beyond 2^31 ms waits; nothing but what waits keeps the process alive', () => {
  const script = `
    import { createTime } from './packages/node/src/time.ts'
    import { minutes, ms } from './packages/core/src/time.ts'
    const alarm = createTime().alarm(() => console.log('rang'))
    alarm.set(Number.MAX_SAFE_INTEGER)
    createTime().sleep(ms(50)).then(() => alarm.clear())`
  const root = new URL('../../..', import.meta.url)
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', script],
    // A process kept alive would never end: the limit is far beyond what starting one takes on a busy machine.
    { cwd: root, encoding: 'utf8', timeout: 60_000 },
  )
  assert.deepEqual([stdout, stderr, status], ['', '', 0])
})
