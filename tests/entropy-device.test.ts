/** Randomness of a machine whose processor has no generator: from the hypervisor's device, on MMIO and on PCI, or not at all. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, makeFolder } from './lib/mirage.ts'
import { EXIT_DEVICE, MICROVM, runQemu } from './lib/qemu.ts'

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultRandom } from '@mirage-ts/config/devices'
const draw = main('./unikernel.ts', 'start', { takes: { log: 'log', random: 'random' } })
export default register('draw', [draw({ log: defaultLog, random: defaultRandom })])
`

const UNIKERNEL = `import { toHex } from '@mirage-ts/core/bytes'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
export async function start({ log, random }: { log: Log; random: Random }): Promise<void> {
  const octets = new Uint8Array(5000)
  random.fill(octets, 0, octets.length)
  const counts = new Uint32Array(256)
  for (const octet of octets) counts[octet] = (counts[octet] as number) + 1
  log.logger('draw').info(toHex(octets, 0, 16) + ' ' + random.u32() + ' ' + Math.min(...counts) + ' ' + Math.max(...counts))
}
`

const RNG = ['-object', 'rng-random,id=r0,filename=/dev/urandom', '-device']

describe('a processor without a generator of random numbers', () => {
  let folder = ''
  before(async () => {
    folder = makeFolder({ 'config.ts': CONFIG, 'unikernel.ts': UNIKERNEL })
    await build(folder, '-t', 'virtio')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  async function boot(...words: readonly string[]): Promise<string> {
    const machine = ['-cpu', 'max,-rdrand,-rdseed', '-m', '32', '-no-reboot', ...EXIT_DEVICE]
    return (await runQemu([...machine, '-kernel', join(folder, 'dist/draw.virtio'), ...words])).output
  }

  for (const [name, ...words] of [
    ['microvm', ...MICROVM, ...RNG, 'virtio-rng-device,rng=r0'],
    ['q35', '-M', 'q35', ...RNG, 'virtio-rng-pci,rng=r0'],
  ] as const) {
    it(`draws from the device of ${name}, something else each time`, async () => {
      const drawn = [await boot(...words), await boot(...words)].map((output) => {
        const [, first, word, least, most] = /\[draw\] ([0-9a-f]{32}) (\d+) (\d+) (\d+)\r?\n$/.exec(output) ?? []
        // 5,000 octets hold each of the 256 values 19.5 times on average; these bounds are six standard deviations away.
        assert.ok(Number(least) >= 1 && Number(most) <= 46, output)
        return `${first} ${word}`
      })
      assert.notEqual(drawn[0], drawn[1])
    })
  }

  it('starts nothing where there is no device either', async () => {
    assert.match(await boot(...MICROVM), /random did not start: Cannot make a random source: .*virtio-rng/)
  })
})
