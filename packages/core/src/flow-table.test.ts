import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IpAddress, Ipv4, Ipv6, Port } from '@mirage-ts/signatures/addresses'
import fc from 'fast-check'
import { FlowTable } from './flow-table.ts'

const address: fc.Arbitrary<IpAddress> = fc.oneof(
  fc.constantFrom(0x0a000001, 0x0a000002, 0xffffffff, 1).map((a) => a as Ipv4),
  fc.constantFrom(1n, 0xfe80n << 112n, (1n << 128n) - 1n).map((a) => a as Ipv6),
)
const port = fc.constantFrom(1, 2, 80, 443, 65535).map((p) => p as Port)
const step = fc.tuple(address, port, address, port, fc.option(fc.nat(), { nil: undefined }))

test('flow-table: does what a map does, whatever is stored and deleted', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer(), fc.integer(), (steps, seed0, seed1) => {
      const table = new FlowTable(seed0, seed1)
      const model = new Map<string, number>()
      for (const [local, localPort, remote, remotePort, value] of steps) {
        const key = `${typeof local} ${local} ${localPort} ${typeof remote} ${remote} ${remotePort}`
        if (value === undefined) {
          table.delete(local, localPort, remote, remotePort)
          model.delete(key)
        } else {
          table.set(local, localPort, remote, remotePort, value)
          model.set(key, value)
        }
        assert.equal(table.count, model.size)
      }
      for (const [local, localPort, remote, remotePort] of steps) {
        const key = `${typeof local} ${local} ${localPort} ${typeof remote} ${remote} ${remotePort}`
        assert.equal(table.get(local, localPort, remote, remotePort), model.get(key) ?? -1)
      }
    }),
  )
})

test('flow-table: ten thousand conversations, dense ports, come and go', () => {
  const table = new FlowTable(123, 456)
  const local = 0x0a000001 as Ipv4
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10_000; i++) table.set(local, 80 as Port, (0x0a000000 + (i >> 6)) as Ipv4, (i & 63) as Port, i)
    assert.equal(table.count, 10_000)
    for (let i = 0; i < 10_000; i++) {
      assert.equal(table.get(local, 80 as Port, (0x0a000000 + (i >> 6)) as Ipv4, (i & 63) as Port), i)
      table.delete(local, 80 as Port, (0x0a000000 + (i >> 6)) as Ipv4, (i & 63) as Port)
    }
    assert.equal(table.count, 0)
  }
})
