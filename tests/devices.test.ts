/**
 * Two network interfaces and two disks on every machine that has them: QEMU's microvm (MMIO) and q35 (PCI), and spt. The
 * frames of one interface go round more often than its rings have numbers.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, makeFolder, mirage, ROOT } from './lib/mirage.ts'
import { EXIT_DEVICE, runQemu } from './lib/qemu.ts'

/** Without the words on the command line that name devices. */
const ACPI_MICROVM = [
  ...['-M', 'microvm,acpi=on,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=off'],
  ...['-global', 'virtio-mmio.force-legacy=off'],
]
const DISK_BYTES = 1 << 20
const LABEL_OFF = 24

/** Sends every frame back with its own letter in it; a frame has its length in four octets in front. */
function echo(socket: Socket, label: number): void {
  let pending: Buffer = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    let at = 0
    while (at + 4 <= pending.length && at + 4 + pending.readUInt32BE(at) <= pending.length) {
      const end = at + 4 + pending.readUInt32BE(at)
      pending[at + 4 + LABEL_OFF] = label
      at = end
    }
    socket.write(Buffer.from(pending.subarray(0, at)))
    pending = pending.subarray(at)
  })
}

describe('several devices', () => {
  let folder = ''
  const servers: Server[] = []
  before(async () => {
    folder = makeFolder()
    cpSync(join(ROOT, 'tests/devices'), folder, { recursive: true })
    for (const name of ['A', 'B']) {
      const server = createServer((socket) => echo(socket, name.charCodeAt(0)))
      servers.push(server.listen(join(folder, name)))
      await once(server, 'listening')
    }
  })
  after(() => {
    for (const server of servers) server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const SAID = [
    'network first: its peer is A',
    'network second: its peer is B',
    'networks have addresses of their own',
    'network first: 66000 frames there and back',
    'disk data: 2048 sectors, the one behind the last is refused',
    'disk spare: 2048 sectors, the one behind the last is refused',
  ]

  function makeDisks(): readonly string[] {
    const files = ['data', 'spare'].map((name) => join(folder, `${name}.raw`))
    for (const file of files) writeFileSync(file, new Uint8Array(DISK_BYTES))
    return files
  }

  function assertWorked(output: string, files: readonly string[]): void {
    const lines = output.split(/\r?\n/).flatMap((line) => line.split('[devices] ').slice(1))
    assert.deepEqual(lines, SAID, output)
    for (const [i, file] of files.entries()) {
      const octets = readFileSync(file)
      assert.deepEqual([octets[0], octets[512], octets[DISK_BYTES - 1]], [0x41 + i, 0, 0x41 + i])
    }
  }

  for (const [target, ...machine] of [['virtio'], ['virtio', '--machine', 'q35'], ['spt']] as const) {
    it(`work on ${[target, ...machine].join(' ')}`, async () => {
      await build(folder, '-t', target)
      const files = makeDisks()
      const nets = ['A', 'B'].map((name, i) => `--net=${i === 0 ? 'first' : 'second'}=stream:${join(folder, name)}`)
      const blocks = files.map((file, i) => `--block=${i === 0 ? 'data' : 'spare'}=${file}`)
      const { status, stdout, stderr } = await mirage(folder, 'run', '-t', target, ...machine, ...nets, ...blocks)
      assert.equal(status, 0, stdout + stderr)
      assertWorked(stdout, files)
    })
  }

  // Other ways to find devices: what is first for QEMU is first for the program. Disks go by their names, whatever comes first.
  for (const [name, kind, ...machine] of [
    ['pc, where PCI is behind ports', 'pci', '-M', 'pc'],
    ['microvm, where ACPI announces them', 'device', ...ACPI_MICROVM],
  ] as const) {
    it(`work in their order on ${name}`, async () => {
      await build(folder, '-t', 'virtio')
      const files = makeDisks()
      const words = ['A', 'B'].flatMap((letter, i) => [
        ...['-netdev', `stream,id=n${i},server=off,addr.type=unix,addr.path=${join(folder, letter)}`],
        ...['-device', `virtio-net-${kind},netdev=n${i}`],
      ])
      for (const [i, serial] of [...['data', 'spare'].entries()].reverse()) {
        words.push('-drive', `if=none,id=b${i},format=raw,file=${files[i]}`)
        words.push('-device', `virtio-blk-${kind},drive=b${i},serial=${serial}`)
      }
      const image = ['-m', '64', '-kernel', join(folder, 'dist/devices.virtio')]
      const { status, output } = await runQemu([...machine, ...EXIT_DEVICE, ...image, ...words])
      assert.equal(status, 1, output)
      assertWorked(output, files)
    })
  }
})
