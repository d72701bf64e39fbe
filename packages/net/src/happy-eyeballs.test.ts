import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipToString, parseIp, port } from '@mirage-ts/core/addresses'
import { CancelController, cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import { ms } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { AddressResolver } from '@mirage-ts/signatures/resolver'
import type { Tcp } from '@mirage-ts/signatures/tcp'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { createHappyEyeballs, interleave } from './happy-eyeballs.ts'

const PORT = port(80)
const addresses = (...texts: string[]): IpAddress[] => texts.map((text) => parseIp(text) ?? assert.fail(text))

/** What becomes of an attempt: after so many ms it succeeds or fails; -1 is never. */
interface Fate {
  readonly afterMs: number
  readonly isGood: boolean
}

function setUp(
  fates: Readonly<Record<string, Fate>>,
  names: Readonly<Record<string, readonly [number, string[], number, string[]]>> = {},
  own: readonly string[] = [],
) {
  const time = new MockTime()
  const start = time.now()
  const log: string[] = []
  const aborted: string[] = []
  const note = (text: string): void => void log.push(`${(time.now() - start) / 1000} ${text}`)
  const tcp: Tcp = {
    listen: () => assert.fail(),
    connect: ({ address }, { signal } = {}) => {
      const text = ipToString(address)
      note(text)
      const { afterMs, isGood } = fates[text] ?? { afterMs: -1, isGood: false }
      return cancellable<TcpFlow>(
        signal,
        (resolve, reject) => {
          if (afterMs < 0) return
          void time.sleep(ms(afterMs)).then(() => {
            if (isGood)
              resolve({ remote: { address, port: PORT }, abort: () => aborted.push(text) } as unknown as TcpFlow)
            else reject(new NetError('connection-refused', `${text} refuses`))
          })
        },
        () => note(`cancelled ${text}`),
      )
    },
  }
  const answer = async <A extends IpAddress>(afterMs: number, texts: readonly string[]): Promise<readonly A[]> => {
    await time.sleep(ms(afterMs))
    if (texts[0] === 'fail') throw new Error('no such name')
    return addresses(...texts) as A[]
  }
  const resolver: AddressResolver = {
    ipv6: (name: string) => answer(names[name]?.[0] ?? 0, names[name]?.[1] ?? ['fail']),
    ipv4: (name: string) => answer(names[name]?.[2] ?? 0, names[name]?.[3] ?? ['fail']),
  }
  const eyeballs = createHappyEyeballs({ stack: { tcp, addresses: addresses(...own) }, clock: time, time, resolver })
  const winner = async (host: string | readonly IpAddress[]): Promise<string> =>
    ipToString((await time.until(eyeballs.connect(host, PORT))).remote.address)
  return { time, log, eyeballs, winner, aborted }
}

describe('happy eyeballs', () => {
  it('lets the families take turns, beginning with the best address (RFC 8305 §4)', () => {
    const mixed = interleave(addresses('::1', '::2', '::3', '10.0.0.1', '10.0.0.2'))
    assert.deepEqual(mixed.map(ipToString), ['::1', '10.0.0.1', '::2', '10.0.0.2', '::3'])
    assert.equal(interleave(Array<IpAddress>(100).fill(parseIp('::1') as IpAddress)).length, 16)
  })

  it('takes the first address when it answers, and tries no other', async () => {
    const { winner, log } = setUp({ '::1': { afterMs: 100, isGood: true } })
    assert.equal(await winner(addresses('::1', '10.0.0.1')), '::1')
    assert.deepEqual(log, ['0 ::1'])
  })

  it('tries the next one after 250 ms, and the slower of two loses (§5)', async () => {
    const { winner, log } = setUp({ '::1': { afterMs: -1, isGood: true }, '10.0.0.1': { afterMs: 20, isGood: true } })
    assert.equal(await winner(addresses('::1', '10.0.0.1')), '10.0.0.1')
    assert.deepEqual(log, ['0 ::1', '250 10.0.0.1', '270 cancelled ::1'])
  })

  it('tries the next one at once after a failure, and gives it its full head start', async () => {
    const { winner, log } = setUp({
      '::1': { afterMs: 100, isGood: false },
      '10.0.0.1': { afterMs: -1, isGood: false },
      '::2': { afterMs: 1, isGood: true },
    })
    assert.equal(await winner(addresses('::1', '::2', '10.0.0.1')), '::2')
    assert.deepEqual(log, ['0 ::1', '100 10.0.0.1', '350 ::2', '351 cancelled 10.0.0.1'])
  })

  it('fails with what all attempts said, or with the only one', async () => {
    const refused = { afterMs: 1, isGood: false }
    const { time, eyeballs } = setUp({ '::1': refused, '10.0.0.1': refused })
    const all = eyeballs.connect(addresses('::1', '10.0.0.1'), PORT)
    await assert.rejects(time.until(all), (error: NetError) => {
      assert.equal(error.code, 'connection-refused')
      assert.match(error.message, /^Cannot connect to any of \[::1\]:80, 10\.0\.0\.1:80: 10\.0\.0\.1 refuses$/)
      return (error.cause as AggregateError).errors.length === 2
    })
    await assert.rejects(time.until(eyeballs.connect('::1', PORT)), { message: '::1 refuses' })
    await assert.rejects(time.until(eyeballs.connect([], PORT)), { code: 'host-unreachable' })
  })

  it('asks for both families and does not wait long for the second (§3)', async () => {
    const good = { afterMs: 1, isGood: true }
    const { winner, time, eyeballs } = setUp(
      { '::1': good, '10.0.0.1': good },
      {
        both: [10, ['::1'], 5, ['10.0.0.1']],
        'slow-six': [5000, ['::1'], 5, ['10.0.0.1']],
        'slow-four': [5, ['::1'], 5000, ['10.0.0.1']],
        'only-four': [1, ['fail'], 100, ['10.0.0.1']],
        nothing: [1, [], 1, []],
      },
    )
    assert.equal(await winner('both'), '::1')
    assert.equal(await winner('slow-six'), '10.0.0.1')
    assert.equal(await winner('slow-four'), '::1')
    assert.equal(await winner('only-four'), '10.0.0.1')
    await assert.rejects(
      time.until(eyeballs.connect('nothing', PORT)),
      /Cannot connect to nothing: there is no address/,
    )
    await assert.rejects(time.until(eyeballs.connect('unknown', PORT)), /Cannot connect to unknown: no such name/)
  })

  it('begins with an address that we can reach (RFC 6724 §6)', async () => {
    const good = { afterMs: 1, isGood: true }
    const { winner, log } = setUp({ '10.0.0.1': good }, { both: [1, ['2001:db8::1'], 1, ['10.0.0.1']] }, ['10.0.0.9'])
    assert.equal(await winner('both'), '10.0.0.1')
    assert.equal(log.length, 1)
  })

  it('ends every attempt when it is cancelled', async () => {
    const { time, eyeballs, log } = setUp({})
    const controller = new CancelController()
    const connecting = eyeballs.connect(addresses('::1', '10.0.0.1'), PORT, { signal: controller.signal })
    await time.advance(ms(300))
    controller.cancel(new Error('enough'))
    await assert.rejects(connecting, /enough/)
    assert.deepEqual(log.slice(2), ['300 cancelled ::1', '300 cancelled 10.0.0.1'])
    assert.equal(time.pendingCount, 0)
  })
})
