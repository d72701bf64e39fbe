/** The tools of a network engineer on Linux, against our stack over a tap: nc, traceroute, nmap. Root only. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { pump } from '@mirage-ts/core/flow-reader'
import type { Port } from '@mirage-ts/signatures/addresses'
import { LinuxLink, OURS } from './lib/linux-tcp.ts'
import { NO_NAMESPACES } from './lib/namespace.ts'

describe('tools of Linux', { skip: NO_NAMESPACES }, () => {
  let link: LinuxLink
  before(async () => {
    link = await LinuxLink.open({ hasLine: false })
    await link.stack.tcp.listen(7 as Port, (flow) => {
      pump(flow, flow).then(
        () => flow.close(),
        () => flow.abort(),
      )
    })
  })
  after(() => link?.close())

  it('nc: what is typed comes back, and its end too', async () => {
    const said = await link.run('sh', '-c', `seq 1 20000 | nc -N -w 10 ${OURS} 7 | cksum; seq 1 20000 | cksum`)
    const [ours, expected] = said.trim().split('\n')
    assert.equal(ours, expected)
  })

  it('nc -z: finds the open port, and not the closed one', async () => {
    await link.run('nc', '-z', '-w', '5', OURS, '7')
    await assert.rejects(link.run('nc', '-z', '-w', '5', OURS, '8'))
  })

  for (const [name, ...options] of [
    ['UDP', '-U', '-p', '33434'],
    ['classic UDP'],
    ['ICMP', '-I'],
    ['TCP', '-T', '-p', '7'],
  ] as const) {
    it(`traceroute, ${name}: we are one hop away, and say so to each of three probes`, async () => {
      const said = await link.run('traceroute', '-n', '-w', '3', '-m', '3', ...options, OURS)
      assert.match(said, new RegExp(`\\n 1  ${OURS.replaceAll('.', '\\.')}  [\\d.]+ ms  [\\d.]+ ms  [\\d.]+ ms`))
      assert.equal(said.trim().split('\n').length, 2)
    })
  }

  it('nmap: tells open from closed ports, has its odd segments answered, and leaves nothing behind', async (t) => {
    const said = await link.run('nmap', '-O', '-n', '-Pn', '--max-retries', '2', '-p', '6-9', OURS)
    assert.match(said, /^7\/tcp +open +echo$/m)
    assert.match(said, /^8\/tcp +closed /m)
    t.diagnostic(/^(?:OS details|Aggressive OS guesses|Running|No exact OS matches).*/m.exec(said)?.[0] ?? 'no guess')
    // Its half-open connections are reset by Linux, which knows nothing of them.
    assert.equal(link.stack.tcp.bufferBytes, 0)
    assert.equal(await link.run('sh', '-c', `echo still here | nc -N -w 10 ${OURS} 7`), 'still here\n')
  })
})
