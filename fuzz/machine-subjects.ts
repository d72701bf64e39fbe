/**
 * What a machine may be told by firmware, a command line, PCI and devices that lie: one batch each, from a seed. Used by
 * `machine.ts`, which goes on until the time is up, and by `tests/machine-fuzz.test.ts`, which does a few.
 *
 * What must hold: nothing throws but what its contract names, everything ends, and a driver never shows a device memory
 * that is not its own.
 */
import assert from 'node:assert/strict'
import * as args from '@mirage-ts/core/boot-args'
import { BlockError } from '@mirage-ts/core/errors'
import { findSleepTypes } from '@mirage-ts/metal/acpi/aml'
import { findMmioDevices } from '@mirage-ts/metal/acpi/aml-devices'
import { CAPTURED_MICROVM, CAPTURED_Q35, CapturedFirmware, correctChecksum } from '@mirage-ts/metal/acpi/captures'
import { describe } from '@mirage-ts/metal/acpi/description'
import { powerControl } from '@mirage-ts/metal/acpi/power'
import { readAcpiTables } from '@mirage-ts/metal/acpi/tables'
import { createVirtioBlock } from '@mirage-ts/metal/virtio/blk'
import { VirtioConsole } from '@mirage-ts/metal/virtio/console'
import { VirtioEntropy } from '@mirage-ts/metal/virtio/entropy'
import { parseMmioWindows } from '@mirage-ts/metal/virtio/mmio-windows'
import { createVirtioNetwork } from '@mirage-ts/metal/virtio/net'
import { listPci, openPciVirtio, type PciConfig } from '@mirage-ts/metal/virtio/pci-bus'
import { SimulatedDisk } from '@mirage-ts/metal/virtio/simulated-blk'
import { type DeviceQueue, SimulatedMemory } from '@mirage-ts/metal/virtio/simulated-device'
import { SimulatedNetDevice } from '@mirage-ts/metal/virtio/simulated-net'
import type { SeededRandom } from '@mirage-ts/testing/seeded-random'

/** A batch; returns how many of its inputs were taken for something. */
export type Subject = (random: SeededRandom, rounds: number) => number | Promise<number>

export const SUBJECTS: Readonly<Record<string, Subject>> = {
  'ACPI tables': fuzzTables,
  'ACPI machine code': fuzzMachineCode,
  PCI: fuzzPci,
  'command lines': fuzzCommandLines,
  disks: fuzzDisks,
  networks: fuzzNetworks,
  'consoles and entropy': fuzzWaiting,
}

function damage(octets: Uint8Array, random: SeededRandom): void {
  for (let count = random.below(8); count > 0; count--) octets[random.below(octets.length)] = random.u32()
}

function fuzzTables(random: SeededRandom, rounds: number): number {
  let count = 0
  for (let i = 0; i < rounds; i++) {
    const firmware = new CapturedFirmware(random.chance(0.5) ? CAPTURED_MICROVM : CAPTURED_Q35)
    if (random.chance(0.1)) damage(firmware.root, random)
    for (const { octets } of firmware.tables) {
      if (random.chance(0.5)) continue
      damage(octets, random)
      if (random.chance(0.9)) correctChecksum(octets)
    }
    const tables = readAcpiTables(firmware.root, firmware.read)
    const { pci, controllers, mmioDevices, isaLines } = describe(tables)
    powerControl(tables)
    assert(firmware.readLen < 8 << 20 && tables.problems.length <= 140)
    assert(pci.length + controllers.length + mmioDevices.length + isaLines.length <= 256)
    count += mmioDevices.length + controllers.length
  }
  return count
}

/** Pieces of real code, in any order, and of any length. */
function fuzzMachineCode(random: SeededRandom, rounds: number): number {
  const whole = new CapturedFirmware(CAPTURED_MICROVM).table('DSDT').subarray(36)
  let count = 0
  for (let i = 0; i < rounds; i++) {
    const aml = new Uint8Array(random.below(4000))
    for (let at = 0; at < aml.length; ) {
      const from = random.below(whole.length)
      const part = whole.subarray(from, from + 1 + random.below(200)).subarray(0, aml.length - at)
      aml.set(part, at)
      at += part.length
    }
    damage(aml, random)
    for (const { base, lenBytes } of findMmioDevices(aml)) {
      assert(base > 0 && Number.isSafeInteger(base + lenBytes))
      count++
    }
    if (findSleepTypes(aml) !== undefined) count++
  }
  return count
}

/** The network interface of QEMU's q35, from its configuration space. */
const PCI_WORDS: readonly (readonly [off: number, word: number])[] = [
  ...([
    [0, 0x1041_1af4],
    [4, 0x10_0103],
    [8, 0x200_0001],
    [20, 0xfebd_1000],
    [32, 0xfe00_000c],
    [52, 0x98],
  ] as const),
  ...([
    [60, 0x010b],
    [0x40, 0x0510_0009],
    [0x50, 0x0214_4009],
    [0x54, 4],
    [0x58, 0x3000],
    [0x5c, 0x1000],
  ] as const),
  ...([
    [0x60, 4],
    [0x64, 0x0410_5009],
    [0x68, 4],
    [0x6c, 0x2000],
    [0x70, 0x1000],
    [0x74, 0x0310_6409],
  ] as const),
  ...([
    [0x78, 4],
    [0x7c, 0x1000],
    [0x80, 0x1000],
    [0x84, 0x0110_7409],
    [0x88, 4],
    [0x8c, 0],
    [0x90, 0x1000],
  ] as const),
  ...([
    [0x98, 0x0003_8411],
    [0x9c, 1],
    [0xa0, 0x801],
  ] as const),
]

function fuzzPci(random: SeededRandom, rounds: number): number {
  let count = 0
  for (let i = 0; i < rounds; i++) {
    const spaces = new Map<number, DataView>()
    for (let device = 0; device < 4; device++) {
      const space = new DataView(new ArrayBuffer(256))
      for (const [off, word] of PCI_WORDS) space.setUint32(off, word, true)
      for (let changes = random.below(6); changes > 0; changes--)
        space.setUint32(4 * random.below(64), random.chance(0.5) ? random.u32() : 1 << random.below(32), true)
      // Bridges, also to where they come from.
      if (random.chance(0.3)) space.setUint32(12, 0x81_0000, true)
      spaces.set(random.below(0x400), space)
    }
    let accesses = 0
    const config: PciConfig = {
      read32(device, off) {
        accesses++
        assert(off % 4 === 0 && off >= 0 && off < 256)
        return spaces.get(device)?.getUint32(off, true) ?? 0xffff_ffff
      },
      write32(device, off, value) {
        assert(value >= 0 && value <= 0xffff_ffff)
        spaces.get(device)?.setUint32(off, value, true)
      },
    }
    const found = listPci(config)
    for (const device of found) {
      try {
        const registers = openPciVirtio(config, device)
        if (registers === undefined) continue
        count++
        for (const { base, lenBytes } of [registers.common, registers.notify])
          assert(Number.isSafeInteger(base + lenBytes))
      } catch (error) {
        assert.match(String(error), /^Error: Cannot use virtio device at 0000:/)
      }
    }
    assert(accesses < 200_000)
  }
  return count
}

const COMMAND_LINES: readonly string[] = [
  '--port=80 virtio_mmio.device=512@0xfeb00e00:12 x virtio_mmio.device=4K@0xc0001000:5:1',
  'reboot=k panic=1 pci=off nomodules 8250.nr_uarts=0 i8042.noaux --name="a b" virtio_mmio.device=4K@0xd0000000:5',
  '--count 3 --list=1,2,3 --wait=1.5s --size=4MiB --mac=02:00:00:00:00:01 --ip 10.0.0.2/24 --logs=*:info,tcp:debug',
]
const KEYS: args.ArgKeys = {
  port: { type: args.port, doc: '', default: '1' },
  count: { type: args.int, doc: '', default: '1' },
  list: { type: args.listOf(args.int), doc: '', default: '' },
  wait: { type: args.duration, doc: '', default: '1s' },
  size: { type: args.byteSize, doc: '', default: '1KiB' },
  mac: { type: args.macAddress, doc: '', default: '02:00:00:00:00:01' },
  ip: { type: args.ipv4Cidr, doc: '', default: '10.0.0.1/24' },
  logs: { type: args.logLevels, doc: '', default: '*:info' },
  name: { type: args.string, doc: '', default: '' },
}

function fuzzCommandLines(random: SeededRandom, rounds: number): number {
  const alphabet = ' \t\n"\'\\=-@:.,/xKM0123456789abcdef\u00e9\ud800'
  let count = 0
  for (let i = 0; i < rounds; i++) {
    let text = COMMAND_LINES[random.below(COMMAND_LINES.length)] as string
    for (let changes = random.below(8); changes > 0; changes--) {
      const at = random.below(text.length + 1)
      const insert = random.chance(0.3) ? '' : (alphabet[random.below(alphabet.length)] as string)
      text = text.slice(0, at) + insert + text.slice(at + random.below(3))
    }
    for (const { base, irq } of parseMmioWindows(text)) {
      assert(Number.isSafeInteger(base) && Number.isSafeInteger(irq))
      count++
    }
    const parsed = args.parseArgs(KEYS, args.splitCommandLine(text))
    if (parsed.tag === 'error') assert(parsed.message.length < 2000)
  }
  return count
}

/** What a hostile device does to a queue: lies in the used ring, and octets anywhere in what it can write. */
function misbehave(
  queue: DeviceQueue | undefined,
  memory: SimulatedMemory,
  random: SeededRandom,
  scribbles: boolean,
): void {
  if (queue === undefined) return
  const what = random.below(scribbles ? 6 : 4)
  if (what === 0) queue.giveBack(random.chance(0.7) ? random.below(64) : random.u32(), random.u32())
  else if (what === 1) queue.advance(random.below(random.chance(0.8) ? 4 : 0x10000))
  else if (what === 2) queue.setAvailableEvent(random.u32())
  else if (what > 3) memory.scribble(random)
}

async function fuzzDisks(random: SeededRandom, rounds: number): Promise<number> {
  let count = 0
  for (let i = 0; i < rounds; i++) {
    const memory = new SimulatedMemory()
    const disk = new SimulatedDisk(memory, 256)
    disk.queueSize = 1 << random.below(8)
    disk.sizeMax = random.chance(0.3) ? random.u32() : 0
    disk.segmentsMax = random.chance(0.3) ? random.below(20) : 0
    disk.features = [random.u32(), 1]
    if (random.chance(0.8)) disk.features[0] &= ~(1 << 6) // else of sectors that it has not
    let made: ReturnType<typeof createVirtioBlock>
    try {
      made = createVirtioBlock(disk, memory)
    } catch (error) {
      assert.match(String(error), /^Error: Cannot use block device/)
      continue
    }
    const { block, polled } = made
    const scribbles = random.chance(0.5)
    let settled = 0
    const work: Promise<void>[] = []
    for (let step = 0; step < 60; step++) {
      if (random.chance(0.4)) {
        const sectors = random.below(80)
        const octets = new Uint8Array(sectors * block.sectorBytes)
        const at = random.below(200)
        const calls = [() => block.read(at, octets), () => block.write(at, octets), () => block.flush()]
        const call = calls[random.below(3)] as () => Promise<void>
        work.push(
          call().then(
            () => void settled++,
            (error: unknown) => {
              settled++
              assert(error instanceof BlockError || error instanceof RangeError, String(error))
            },
          ),
        )
      }
      polled.flush()
      // A device that does not write into its descriptors must be shown only its own memory: this throws otherwise.
      if (!scribbles && random.chance(0.5)) disk.work()
      misbehave(disk.queue, memory, random, scribbles)
      for (let polls = 0; polled.poll() && polls < 4; polls++);
      if (random.chance(0.2)) await Promise.resolve()
    }
    await block.close()
    await Promise.all(work)
    assert.equal(settled, work.length)
    count += settled
  }
  return count
}

function fuzzNetworks(random: SeededRandom, rounds: number): number {
  let count = 0
  for (let i = 0; i < rounds; i++) {
    const memory = new SimulatedMemory()
    const device = new SimulatedNetDevice(memory, 1 << random.below(7))
    device.features = [random.u32() | (1 << 5), 1]
    const network = createVirtioNetwork(device, memory)
    const scribbles = random.chance(0.5)
    network.listen((frame, off, end) => {
      assert(off >= 0 && off <= end && end <= frame.u8.length)
      count++
    })
    for (let step = 0; step < 100; step++) {
      const frame = random.chance(0.5) ? network.alloc() : undefined
      if (frame !== undefined) {
        frame.u8.fill(0, network.headroomBytes, network.headroomBytes + 60)
        network.send(frame, network.headroomBytes, network.headroomBytes + 60)
      }
      network.flush()
      for (const queue of device.queues) {
        // Throws when it is shown memory that is not the driver's.
        const given = !scribbles && random.chance(0.6) ? queue.take() : undefined
        if (given?.isWritable)
          for (let at = 0; at < 40; at++) given.view.setUint8(at % given.view.byteLength, random.u32())
        if (given !== undefined) queue.giveBack(given.id, random.chance(0.9) ? random.below(3000) : random.u32())
        if (random.chance(0.3)) misbehave(queue, memory, random, scribbles)
      }
      device.interrupt = random.chance(0.5)
      for (let polls = 0; network.poll() && polls < 4; polls++);
    }
    network.close()
  }
  return count
}

/** Drivers that wait for their device. */
function fuzzWaiting(random: SeededRandom, rounds: number): number {
  let count = 0
  for (let i = 0; i < rounds; i++) {
    const memory = new SimulatedMemory()
    const device = new SimulatedNetDevice(memory, 1 << random.below(6))
    device.features = [random.u32(), 1]
    const scribbles = random.chance(0.5)
    let nowUs = 0
    const clock = () => {
      nowUs += 1000
      const queue = device.queues[random.below(2)]
      const given = random.chance(0.5) && !scribbles ? queue?.take() : undefined
      if (given !== undefined) queue?.giveBack(given.id, random.below(600))
      misbehave(queue, memory, random, scribbles)
      return nowUs
    }
    if (random.chance(0.5)) {
      const console = new VirtioConsole(device, memory, clock)
      for (let writes = 0; writes < 10; writes++) console.write('text '.repeat(random.below(500)))
      console.drain()
      count++
      continue
    }
    const entropy = new VirtioEntropy(device, memory, clock)
    try {
      entropy.fill(new Uint8Array(1000), 0, random.below(1001))
      count++
    } catch (error) {
      assert.match(String(error), /gave none for a second/)
    }
  }
  return count
}
