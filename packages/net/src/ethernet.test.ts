import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMac } from '@mirage-ts/core/addresses'
import { fromHex } from '@mirage-ts/core/bytes'
import { ms } from '@mirage-ts/core/time'
import type { Mac } from '@mirage-ts/signatures/addresses'
import { createLink } from '@mirage-ts/testing/link'
import { createEthernet } from './ethernet.ts'

describe('ethernet', () => {
  it('drops what is for others, from groups or from ourselves, unknown or cut off (IEEE 802.3 §3.2.3)', async () => {
    const { network, peer, time } = createLink()
    const ethernet = createEthernet({ network })
    const heard: Mac[] = []
    ethernet.listen(0x0800, (_frame, _off, _end, src) => heard.push(src))
    for (const header of [
      '020000000002 020000000001 0800',
      'ffffffffffff 020000000001 0800',
      '01005e000001 020000000001 0800',
      '020000000003 020000000001 0800',
      '020000000002 030000000001 0800',
      '020000000002 ffffffffffff 0800',
      '020000000002 020000000001 1234',
      '020000000002 020000000001 08',
      // Last, as the switch believes from here on that we are where the peer is.
      'ffffffffffff 020000000002 0800',
    ]) {
      peer.send(fromHex(header))
    }
    await time.advance(ms(1))
    assert.deepEqual(heard, new Array(3).fill(parseMac('02:00:00:00:00:01')))
    // A switch does not deliver what is for another station, so at most that one is not counted here.
    const { truncated, badSource, unknownType } = ethernet.counters
    assert.deepEqual({ truncated, badSource, unknownType }, { truncated: 1, badSource: 3, unknownType: 1 })
  })
})
