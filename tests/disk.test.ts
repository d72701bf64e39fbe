/** `mirage build --disk`: each format, booted in QEMU's q35 from the disk; raw by UEFI, too. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { copyExample, mirage } from './lib/mirage.ts'

/** OVMF, in one file, which QEMU takes as its firmware. */
const UEFI = '/usr/share/ovmf/OVMF.fd'
const NO_TOOLS =
  existsSync('/usr/lib/grub/i386-pc/normal.mod') && existsSync('/usr/bin/qemu-img') && existsSync(UEFI)
    ? false
    : 'needs grub-pc-bin, grub-efi-amd64-bin, mtools, xorriso, qemu-utils and ovmf'
const LIMIT_MS = 120_000

/** Boots until the pattern shows on the serial port; fails with what did. */
async function boots(pattern: RegExp, ...words: readonly string[]): Promise<void> {
  const machine = ['-accel', 'tcg', '-cpu', 'max', '-M', 'q35', '-m', '256', '-nodefaults', '-no-user-config']
  const silent = ['-no-reboot', '-display', 'none', '-serial', 'stdio', '-monitor', 'none']
  const qemu = spawn('qemu-system-x86_64', [...machine, ...silent, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => qemu.kill(), LIMIT_MS)
  let output = ''
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (pattern.test(output)) qemu.kill()
    })
  }
  await once(qemu, 'close')
  clearTimeout(timer)
  assert.match(output, pattern)
}

describe('disks that boot', { skip: NO_TOOLS }, () => {
  const { folder, remove } = copyExample('tutorial/hello')
  const made = (format: string) => join(folder, `dist/hello.${format}`)
  const drive = (format: string) => ['-drive', `file=${made(format)},format=${format},if=virtio`]
  /** Arguments that a reader must not split, and the log's time, which the machine's clock gave. */
  const build = (format: string) => mirage(folder, 'build', '-t', 'virtio', '--disk', format, '--', '--logs=*:info')
  const HELLO = /20\d\d-\d\d-\d\dT[\d:.]+Z INFO {2}\[application\] hello/

  before(async () => {
    for (const format of ['raw', 'qcow2', 'vmdk', 'iso']) assert.equal((await build(format)).stderr, '')
  })
  after(remove)

  for (const format of ['raw', 'qcow2', 'vmdk']) it(`${format}, by BIOS`, () => boots(HELLO, ...drive(format)))
  it('iso, by BIOS', () => boots(HELLO, '-cdrom', made('iso')))
  it('raw, by UEFI', () => boots(HELLO, '-bios', UEFI, ...drive('raw')))

  it('carries the arguments, and is the same when made again', async () => {
    const before = readFileSync(made('raw'))
    await build('raw')
    assert.ok(before.equals(readFileSync(made('raw'))))
    await mirage(folder, 'build', '-t', 'virtio', '--disk', 'raw', '--', '--help')
    await boots(/Boot arguments of hello/, ...drive('raw'))
  })
})
