/** Output by virtio's console: on machines without a serial port, on PCI beside one, and where it is missing after all. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, makeFolder, mirage } from './lib/mirage.ts'
import { EXIT_DEVICE, MICROVM, runQemu } from './lib/qemu.ts'

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultConsole, defaultLog } from '@mirage-ts/config/devices'
const talk = main('./unikernel.ts', 'start', { takes: { console: 'console', log: 'log' } })
export default register('talk', [talk({ console: defaultConsole, log: defaultLog })])
`

/** More than any buffer holds at once, in one write. */
const UNIKERNEL = `import type { Console } from '@mirage-ts/signatures/console'
import type { Log } from '@mirage-ts/signatures/log'
export async function start({ console, log }: { console: Console; log: Log }): Promise<void> {
  log.logger('talk').info('grüß Gott')
  let flood = ''
  for (let i = 0; i < 20000; i++) flood += i + '\\n'
  console.write(flood)
  throw new Error('the end')
}
`

const CONSOLE = ['-chardev', 'stdio,id=c0', '-device', 'virtconsole,chardev=c0']

describe('output by virtio’s console', () => {
  let folder = ''
  before(async () => {
    folder = makeFolder({ 'config.ts': CONFIG, 'unikernel.ts': UNIKERNEL })
    await build(folder, '-t', 'virtio', '--console', 'virtio')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const boot = (...words: readonly string[]) =>
    runQemu(['-m', '32', '-no-reboot', ...EXIT_DEVICE, '-kernel', join(folder, 'dist/talk.virtio'), ...words])
  const noSerial = ['-M', 'microvm,acpi=off,x-option-roms=off,isa-serial=off,rtc=on,auto-kernel-cmdline=on']
  const numbers = Array.from({ length: 20_000 }, (_, i) => String(i))

  for (const [name, ...words] of [
    ['microvm without a serial port', ...noSerial, '-device', 'virtio-serial-device', '-serial', 'none'],
    ['q35', '-M', 'q35', '-device', 'virtio-serial-pci', '-serial', 'null'],
  ] as const) {
    it(`is everything that the machine says, on ${name}`, async () => {
      const modern = name === 'q35' ? [] : ['-global', 'virtio-mmio.force-legacy=off']
      const { status, output } = await boot(...words, ...modern, ...CONSOLE)
      const [first = '', ...lines] = output.replaceAll('\r\n', '\n').split('\n')
      assert.match(first, /\[talk\] grüß Gott$/)
      assert.deepEqual(lines.slice(0, numbers.length), numbers)
      // The last words, which are drained before the machine stops.
      assert.match(lines.slice(numbers.length).join('\n'), /^talk: config\.ts:4: job start failed: Error: the end\n/)
      assert.equal(status, 3)
    })
  }

  it('has its device from mirage run', async () => {
    for (const machine of [[], ['--machine', 'q35']]) {
      const { status, stdout } = await mirage(folder, 'run', '-t', 'virtio', ...machine)
      assert.equal(status, 1)
      assert.match(stdout, /^\S+ INFO {2}\[talk\] grüß Gott\r?\n0\r?\n1\r?\n/)
      assert.match(stdout, /\n19999\r?\ntalk: config\.ts:4: job start failed: Error: the end\r?\n/)
    }
  })

  it('is the serial port where there is none', async () => {
    const { output } = await boot(...MICROVM)
    assert.match(output, /^No virtio console \(QEMU: .*\)\r?\n.*\[talk\] grüß Gott\r?\n0\r?\n1\r?\n/)
  })
})
