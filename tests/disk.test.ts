/** `mirage build --disk`: each format, booted in QEMU's q35 from the disk; raw by UEFI, too. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { copyExample, mirage } from './lib/mirage.ts'
import { runQemu } from './lib/qemu.ts'

const FORMATS = ['raw', 'qcow2', 'vmdk', 'iso']

/** OVMF, in one file, which QEMU takes as its firmware. */
const UEFI = '/usr/share/ovmf/OVMF.fd'
const NO_TOOLS =
  existsSync('/usr/lib/grub/i386-pc/normal.mod') && existsSync('/usr/bin/qemu-img') && existsSync(UEFI)
    ? false
    : 'needs grub-pc-bin, grub-efi-amd64-bin, mtools, xorriso, qemu-utils and ovmf'
const MACHINE = ['-M', 'q35', '-m', '256']

/** Boots until the pattern shows on the serial port; fails with what did. */
async function boots(pattern: RegExp, ...words: readonly string[]): Promise<void> {
  assert.match((await runQemu([...MACHINE, '-no-reboot', ...words], pattern)).output, pattern)
}

describe('disks that boot', { skip: NO_TOOLS }, () => {
  const { folder, remove } = copyExample('tutorial/hello')
  const made = (format: string) => join(folder, `dist/hello.${format}`)
  const drive = (format: string) => ['-drive', `file=${made(format)},format=${format},if=virtio`]
  /** Arguments that a reader must not split, and the log's time, which the machine's clock gave. */
  const build = (format: string) => mirage(folder, 'build', '-t', 'virtio', '--disk', format, '--', '--logs=*:info')
  const HELLO = /20\d\d-\d\d-\d\dT[\d:.]+Z INFO {2}\[application\] hello/

  before(async () => {
    for (const format of FORMATS) assert.equal((await build(format)).stderr, '')
  })
  after(remove)

  for (const format of ['raw', 'qcow2', 'vmdk']) it(`${format}, by BIOS`, () => boots(HELLO, ...drive(format)))
  it('iso, by BIOS', () => boots(HELLO, '-cdrom', made('iso')))
  it('iso as a disk, by BIOS', () => boots(HELLO, '-drive', `file=${made('iso')},format=raw,if=virtio`))
  it('raw, by UEFI', () => boots(HELLO, '-bios', UEFI, ...drive('raw')))

  it('is the same when made again, in every format', async () => {
    for (const format of FORMATS) {
      const before = readFileSync(made(format))
      await build(format)
      assert.ok(before.equals(readFileSync(made(format))), format)
    }
  })

  it('carries the arguments', async () => {
    await mirage(folder, 'build', '-t', 'virtio', '--disk', 'raw', '--', '--help')
    // Turned off by ACPI, of which GRUB tells: a reset would start it again, and again.
    for (const firmware of [[], ['-bios', UEFI]]) {
      const { status, output } = await runQemu([...MACHINE, ...firmware, ...drive('raw')])
      assert.equal(status, 0, output)
      assert.equal(output.split('Boot arguments of hello').length, 2, output)
    }
  })
})
