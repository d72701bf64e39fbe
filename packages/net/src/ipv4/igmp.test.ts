import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { createFrame, fromHex, toHex } from '@mirage-ts/core/bytes'
import { checksum } from '@mirage-ts/core/checksum'
import { ms, seconds } from '@mirage-ts/core/time'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { createLink } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { emitIpv4 } from '../wire/ipv4.ts'
import { createIgmp } from './igmp.ts'

const GROUP = ipv4(239, 1, 2, 3)

async function setUp() {
  const link = createLink()
  const { time, network, peer } = link
  const stack = createTestStack(network, time, '10.0.0.2/24')
  const igmp = createIgmp({ ipv4: stack.ipv4, clock: time, time, random: new SeededRandom(1) })
  await time.advance(seconds(3))
  peer.take()
  /** The IGMP messages that were sent: `GROUP-OF-DESTINATION: MESSAGE`, without checksums. */
  const heard = async (wait = ms(1)): Promise<string[]> => {
    await time.advance(wait)
    return peer
      .take()
      .filter((frame) => frame[23] === 2)
      .map((frame) => {
        assert.equal(checksum(frame, 38, frame.length, 0), 0xffff)
        assert.equal(checksum(frame, 14, 38, 0), 0xffff)
        // Header of 24 octets with router alert, time to live 1.
        assert.deepEqual([toHex(frame, 14, 15), frame[22], toHex(frame, 34, 38)], ['46', 1, '94040000'])
        return `${toHex(frame, 30, 34)}: ${toHex(frame, 38, 40)} ${toHex(frame, 42)}`
      })
  }
  const query = (message: string): void => {
    const body = fromHex(message)
    new DataView(body.buffer).setUint16(2, ~checksum(body, 0, body.length, 0) & 0xffff)
    const frame = createFrame(34 + body.length)
    frame.u8.set(fromHex('01005e000001 020000000001 0800'))
    frame.u8.set(body, 34)
    emitIpv4(frame, 14, 20 + body.length, 1, 0, 1, 2, ipv4(10, 0, 0, 1), ipv4(224, 0, 0, 1), 0)
    peer.send(frame.u8)
  }
  return { ...link, stack, igmp, heard, query }
}

describe('igmp', () => {
  const V3_JOIN = 'e0000016: 2200 0000000104000000ef010203'

  it('reports joining and leaving twice (RFC 3376 §5.1)', async () => {
    const { stack, heard } = await setUp()
    stack.ipv4.join(GROUP)
    assert.deepEqual(await heard(), [V3_JOIN])
    assert.deepEqual(await heard(seconds(2)), [V3_JOIN])
    stack.ipv4.leave(GROUP)
    assert.deepEqual(await heard(seconds(2)), Array(2).fill('e0000016: 2200 0000000103000000ef010203'))
    assert.deepEqual(await heard(seconds(100)), [])
  })

  it('answers queries for all groups and for one, within the time asked for (§5.2)', async () => {
    const { stack, heard, query } = await setUp()
    stack.ipv4.join(GROUP)
    await heard(seconds(3))
    query('110a0000 00000000 00000000')
    assert.deepEqual(await heard(seconds(1.1)), ['e0000016: 2200 0000000102000000ef010203'])
    query('110a0000 ef010203 00000000')
    assert.equal((await heard(seconds(1.1))).length, 1)
    query('110a0000 ef010204 00000000')
    assert.deepEqual(await heard(seconds(20)), [])
  })

  it('speaks the version of an older querier, for a while (§7.2.1)', async () => {
    const { stack, heard, query } = await setUp()
    query('110a0000 00000000')
    await heard()
    stack.ipv4.join(GROUP)
    assert.deepEqual(await heard(), ['ef010203: 1600 ef010203'])
    stack.ipv4.leave(GROUP)
    assert.deepEqual((await heard(seconds(2))).at(-1), 'e0000002: 1700 ef010203')
    query('11000000 00000000')
    await heard()
    stack.ipv4.join(GROUP)
    assert.deepEqual(await heard(), ['ef010203: 1200 ef010203'])
    await heard(seconds(300))
    stack.ipv4.leave(GROUP)
    assert.match((await heard())[0] ?? '', /^e0000016: 2200/)
  })

  it('drops truncated messages and bad checksums, and says nothing of the group of all hosts', async () => {
    const { stack, heard, query, igmp, peer } = await setUp()
    for (let len = 0; len < 8; len++)
      query(
        '110a000000000000'
          .slice(0, 2 * len)
          .padEnd(8, '0')
          .slice(0, 2 * Math.max(len, 4)),
      )
    const frame = fromHex(
      '01005e000001 020000000001 0800 4500001c 0001 0000 0102 0000 0a000001 e0000001 110a1234 00000000',
    )
    new DataView(frame.buffer).setUint16(24, ~checksum(frame, 14, 34, 0) & 0xffff)
    peer.send(frame)
    stack.ipv4.join(ipv4(224, 0, 0, 1))
    assert.deepEqual(await heard(seconds(20)), [])
    assert.deepEqual([igmp.counters.truncated, igmp.counters['bad-checksum']], [8, 1])
  })
})
