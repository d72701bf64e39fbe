/**
 * Our TCP against Linux's, over a tap in a network namespace: both roles, clean lines and bad ones. A sample of
 * tests/matrix/tcp.ts. Needs root, `ip` and a C compiler (for native/host/tap.c) unless MIRAGE_TAP names the program.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ms } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Impairments } from '@mirage-ts/testing/impaired-network'
import { LINUX_ADDRESS, LinuxLink, OURS } from './lib/linux-tcp.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'

const MIB = 1024 * 1024

interface Case {
  readonly name: string
  readonly upBytes: number
  readonly downBytes: number
  readonly slowMs?: number
  readonly line?: Impairments
}

const CASES: readonly Case[] = [
  { name: 'nothing at all', upBytes: 0, downBytes: 0 },
  { name: '10 MiB from us', upBytes: 10 * MIB, downBytes: 0 },
  { name: '10 MiB to us', upBytes: 0, downBytes: 10 * MIB },
  { name: '10 MiB each way at once', upBytes: 10 * MIB, downBytes: 10 * MIB },
  { name: '8 MiB to a slow reader (zero windows)', upBytes: 8 * MIB, downBytes: 0, slowMs: 5 },
  { name: '4 MiB each way, 1 % loss', upBytes: 4 * MIB, downBytes: 4 * MIB, line: { loss: 0.01 } },
  { name: '1 MiB each way, 5 % loss', upBytes: MIB, downBytes: MIB, line: { loss: 0.05 } },
  { name: '32 KiB each way, 20 % loss', upBytes: MIB / 32, downBytes: MIB / 32, line: { loss: 0.2, delay: ms(1) } },
  { name: '4 MiB from us, 50 ms away', upBytes: 4 * MIB, downBytes: 0, line: { delay: ms(25) } },
  { name: '4 MiB to us, 50 ms away', upBytes: 0, downBytes: 4 * MIB, line: { delay: ms(25) } },
  {
    name: '1 MiB each way, reordered, duplicated and corrupted',
    upBytes: MIB,
    downBytes: MIB,
    line: { delay: ms(2), reorder: 0.02, duplicate: 0.02, corrupt: 0.005 },
  },
  {
    name: '2 MiB each way over 20 Mbit/s',
    upBytes: 2 * MIB,
    downBytes: 2 * MIB,
    line: { rateBytes: 2.5e6, delay: ms(5) },
  },
]

for (const { mtuBytes, isIpv6 } of [
  { mtuBytes: 1500, isIpv6: false },
  { mtuBytes: 576, isIpv6: false },
  { mtuBytes: 1500, isIpv6: true },
  { mtuBytes: 9000, isIpv6: true },
]) {
  describe(`tcp against Linux, IPv${isIpv6 ? 6 : 4}, MTU ${mtuBytes}`, { skip: NO_NAMESPACES }, () => {
    let link: LinuxLink
    before(async () => {
      link = await LinuxLink.open({ mtuBytes, isIpv6 })
    })
    after(() => link?.close())

    for (const role of ['connect', 'listen'] as const) {
      for (const one of CASES) {
        // All of them once; elsewhere those that are about what differs.
        if (mtuBytes === 576 && (one.line?.loss ?? 0) < 0.05) continue
        if (isIpv6 && one.line !== undefined && one.line.corrupt === undefined && one.line.loss !== 0.05) continue
        test(`we ${role}; ${one.name}`, { timeout: 120_000 }, async (t) => {
          link.line.impairments = one.line ?? {}
          const tookMs = await link.transfer({ role, ...one })
          link.line.impairments = {}
          t.diagnostic(`${tookMs} ms`)
        })
      }
    }

    test('connecting to a closed port is refused', async () => {
      const remote = { address: LINUX_ADDRESS, port: 1 as Port }
      await assert.rejects(link.stack.tcp.connect(remote), { code: 'connection-refused' })
    })

    test('connecting to our closed port is refused', async () => {
      assert.deepEqual(await link.peer('client', OURS, 1, 0)(), { error: 'ECONNREFUSED' })
    })

    test('nothing is left in our buffers', () => {
      assert.equal(link.stack.tcp.bufferBytes, 0)
    })
  })
}
