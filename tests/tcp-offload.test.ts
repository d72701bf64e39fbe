/**
 * Our TCP against Linux's over a tap that takes and gives large frames and unfinished checksums (vnet header, TSO). Needs
 * root, `ip` and a C compiler.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { parseIp } from '@mirage-ts/core/addresses'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import { LinuxLink } from './lib/linux-tcp.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'

const MIB = 1024 * 1024

for (const isIpv6 of [false, true])
  describe(`tcp against Linux, with the offloads of a tap, IPv${isIpv6 ? 6 : 4}`, { skip: NO_NAMESPACES }, () => {
    let link: LinuxLink
    before(async () => {
      link = await LinuxLink.open({ hasOffload: true, isIpv6 })
    })
    after(() => link?.close())

    for (const role of ['connect', 'listen'] as const) {
      for (const [upBytes, downBytes] of [
        [0, 0],
        [20 * MIB, 0],
        [0, 20 * MIB],
        [10 * MIB, 10 * MIB],
      ] as const) {
        test(`we ${role}; ${upBytes / MIB} MiB from us, ${downBytes / MIB} to us`, { timeout: 60_000 }, async (t) => {
          t.diagnostic(`${await link.transfer({ role, upBytes, downBytes })} ms`)
        })
      }
    }

    test('datagrams with unfinished checksums arrive, short ones and those that fill a frame', {
      timeout: 60_000,
    }, async () => {
      const socket = await link.stack.udp.bind(0 as Port, () => {})
      const to = { address: parseIp(link.linux) as IpAddress, port: 5000 as Port }
      for (const lenBytes of [1, 1000, 1452]) {
        let isThere = false
        const arriving = link.run('nc', '-u', '-l', '-n', '-W', '1', link.linux, '5000').finally(() => {
          isThere = true
        })
        // Until nc listens they go nowhere.
        while (!isThere) {
          await socket.send(new Uint8Array(lenBytes).fill(0x61), to)
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        assert.equal(await arriving, 'a'.repeat(lenBytes))
      }
      socket.close()
    })

    test('large frames went both ways, none was refused', () => {
      const { stats, offload } = link.network
      assert.deepEqual(offload, { checksum: true, tcp4Bytes: 65535, tcp6Bytes: 65535 })
      assert.equal(stats.rxDropped, 0)
      assert.ok(stats.rxBytes / stats.rxFrames > 2000, `${stats.rxBytes} octets in ${stats.rxFrames} frames`)
      assert.ok(link.stack.tcp.counters.largeFrames > 1000)
    })
  })
