import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseIpv4, port } from '@mirage-ts/core/addresses'
import { fromHex } from '@mirage-ts/core/bytes'
import { ms } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import { createTestStack } from '@mirage-ts/testing/direct-stack'
import { createLink, testMac } from '@mirage-ts/testing/link'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { VirtualSwitch } from '@mirage-ts/testing/virtual-switch'
import { createVlanTrunk } from './vlan.ts'

describe('vlan', () => {
  it('carries two networks with the same addresses over one cable', async () => {
    const time = new MockTime()
    const lan = new VirtualSwitch(time)
    const [a, b] = [
      createVlanTrunk({ network: lan.port(testMac(1)) }),
      createVlanTrunk({ network: lan.port(testMac(2)) }),
    ]
    const got: string[] = []
    for (const id of [5, 6]) {
      const server = createTestStack(a.vlan(id), time, '10.0.0.1/24')
      await server.udp.bind(port(9), (payload) => got.push(`${id}: ${payload.length}`))
      const client = createTestStack(b.vlan(id), time, '10.0.0.2/24')
      const socket = await client.udp.bind(port(0), () => {})
      // 1468 octets fill a frame, 3000 go in pieces.
      for (const len of [1468, 3000])
        await socket.send(new Uint8Array(len), { address: parseIpv4('10.0.0.1') as IpAddress, port: port(9) })
      await time.advance(ms(10))
    }
    assert.deepEqual(got, ['5: 1468', '5: 3000', '6: 1468', '6: 3000'])
    assert.equal(a.vlan(5), a.vlan(5))
    assert.throws(() => a.vlan(4095), /Cannot use 4095 as a VLAN: expected 1\.\.4094/)
  })

  it('counts what has no tag, one of nobody, or is cut off', async () => {
    const { network, peer, time } = createLink()
    const trunk = createVlanTrunk({ network })
    trunk.vlan(5).listen(() => assert.fail())
    const frame = fromHex('020000000002 020000000001 8100 0006 0800 6162')
    for (let end = 0; end <= frame.length; end++) peer.send(frame.subarray(0, end))
    peer.send(fromHex('020000000002 020000000001 0800 61626364'))
    await time.advance(ms(1))
    assert.deepEqual({ ...trunk.counters }, { truncated: 14, untagged: 5, unknownVlan: 3 })
  })
})
