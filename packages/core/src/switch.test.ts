import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cancellable } from './cancel.ts'
import { Switch } from './switch.ts'

/** Work that waits for ever, unless it is cancelled. */
function forever(sw: Switch): Promise<void> {
  return cancellable<void>(
    sw.signal,
    () => {},
    () => {},
  )
}

describe('switch', () => {
  it('returns what the body returns, after all work has ended', async () => {
    const order: string[] = []
    const result = await Switch.run(async (sw) => {
      sw.fork(async () => {
        await Promise.resolve()
        order.push('work')
      })
      order.push('body')
      return 5
    })
    assert.equal(result, 5)
    assert.deepEqual(order, ['body', 'work'])
  })

  it('waits for work that is forked by work', async () => {
    let ended = false
    await Switch.run(async (sw) => {
      sw.fork(async () => {
        await Promise.resolve()
        sw.fork(async () => {
          await Promise.resolve()
          ended = true
        })
      })
    })
    assert(ended)
  })

  it('the first failure cancels the rest and is what run rejects with', async () => {
    let cancelled = false
    const running = Switch.run(async (sw) => {
      sw.fork(() =>
        forever(sw).catch((reason: unknown) => {
          cancelled = true
          throw reason
        }),
      )
      sw.fork(async () => {
        throw new Error('first')
      })
      await forever(sw)
    })
    await assert.rejects(running, { message: 'first' })
    assert(cancelled)
  })

  it('work that throws before its first await fails the switch, not the caller of fork', async () => {
    const running = Switch.run(async (sw) => {
      sw.fork(() => {
        throw new Error('at once')
      })
    })
    await assert.rejects(running, { message: 'at once' })
  })

  it('daemons are cancelled when the rest is done', async () => {
    await Switch.run(async (sw) => {
      sw.forkDaemon(() => forever(sw))
    })
  })

  it('releases run last to first, after all work, also when the body fails; their failure is reported', async () => {
    const order: string[] = []
    const running = Switch.run(async (sw) => {
      sw.onRelease(() => void order.push('first acquired'))
      sw.onRelease(() => {
        order.push('last acquired')
        throw new Error('release')
      })
      sw.fork(async () => {
        await Promise.resolve()
        order.push('work')
      })
    })
    await assert.rejects(running, { message: 'release' })
    assert.deepEqual(order, ['work', 'last acquired', 'first acquired'])
  })
})
