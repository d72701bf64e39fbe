/** Disks that boot, on an emulator that is not QEMU: its own firmware, chipset, clocks and interrupt controllers. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { NO_BOCHS, runBochs } from './lib/bochs.ts'
import { build, copyExample } from './lib/mirage.ts'

/** The log's line takes 5 ms at 115,200 baud; what is left is Bochs's and ours. */
const LINE_MS = 7

describe('Bochs', { skip: NO_BOCHS }, () => {
  const { folder, remove } = copyExample('tutorial/hello')

  before(async () => {
    for (const format of ['iso', 'raw']) await build(folder, '-t', 'virtio', '--disk', format, '--', '--logs=*:info')
  })
  after(remove)

  /** Resolves with the machine's ticks. */
  async function saysHello(disk: string, processor: string): Promise<number> {
    const { output, ending, ticks } = await runBochs(join(folder, 'dist', disk), processor)
    const lines = [...output.matchAll(/^(\S+Z) INFO {2}\[application\] (hello|world)\r?$/gm)]
    assert.deepEqual(
      lines.map((line) => line[2]),
      ['hello', 'world', 'hello', 'world', 'hello', 'world', 'hello', 'world'],
      output,
    )
    const times = lines.map((line) => Date.parse(line[1] as string))
    // The machine's time, which is counted in instructions: what else this computer does changes nothing.
    for (const [i, time] of times.entries())
      if (i > 0) {
        const slept = time - (times[i - 1] as number)
        assert.ok(slept >= 1000 && slept <= 1000 + LINE_MS, `slept ${slept} ms\n${output}`)
      }
    assert.equal(ending, 'ACPI control: soft power off')
    return ticks
  }

  // The first has neither SMEP nor SMAP nor UMIP, the second the first two.
  for (const processor of ['athlon64_clawhammer', 'corei7_skylake_x'])
    it(`iso, ${processor}`, async () => void (await saysHello('hello.iso', processor)))
  it('raw, ryzen', async () => void (await saysHello('hello.raw', 'ryzen')))

  it('iso, tigerlake, whose word for its frequency is taken', async () => {
    // It says 2.4 GHz (CPUID 0x15), so eight seconds are this many ticks; the PIT would have told that there are 0.1.
    const ticks = await saysHello('hello.iso', 'tigerlake')
    assert.ok(ticks > 15e9, `${ticks} ticks`)
  })
})
