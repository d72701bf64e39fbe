/// <reference path="../../packages/metal/src/native.d.ts" />
/**
 * Finds a network interface and a disk wherever the machine has them, uses both so that their interrupts must come, and says
 * what it found. With `high` on the command line devices get memory above 4 GiB; with `break` they are at last told nonsense;
 * with `restart` it asks to start again, until a sector of the disk says that it did so twice.
 */
import { commandLine } from 'mirage:native'
import { type JobEnd, RESTART } from '@mirage-ts/core/boot'
import { ms } from '@mirage-ts/core/time'
import { powerControl } from '@mirage-ts/metal/acpi/power'
import { acpiTables } from '@mirage-ts/metal/firmware'
import { machine } from '@mirage-ts/metal/machine'
import { described } from '@mirage-ts/metal/machine-description'
import { createVirtioBlock } from '@mirage-ts/metal/virtio/blk'
import { createVirtioNetwork } from '@mirage-ts/metal/virtio/net'
import { pciSegments } from '@mirage-ts/metal/virtio/pci'
import { listPci } from '@mirage-ts/metal/virtio/pci-bus'
import type { DmaMemory, VirtioTransport } from '@mirage-ts/metal/virtio/transport'
import { DMA, deviceProblems, virtioDevices } from '@mirage-ts/metal/virtio-devices'
import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import type { Time } from '@mirage-ts/signatures/time'

const NETWORK = 1
const DISK = 2
const GIB_4 = 2 ** 32
const MIB = 1 << 20
const REQUESTS = 20
const ARP_LEN = 42
const WAIT_MS = 5
const PATIENCE = 1000
const RESTARTS = 2

/** Memory above 4 GiB: what is below is used up on the way. */
const HIGH: DmaMemory = {
  alloc(lenBytes, alignBytes) {
    for (let i = 0; i < 64; i++) {
      const memory = DMA.alloc(Math.max(lenBytes, MIB), alignBytes)
      if (memory.address >= GIB_4) return memory
    }
    throw new Error('There is no memory above 4 GiB')
  },
  barrier: DMA.barrier,
}

export async function start({ log, time }: { log: Log; time: Time }): Promise<JobEnd> {
  const logger = log.logger('discovery')
  const { pci, controllers, mmioDevices } = described()
  const power = powerControl(acpiTables())
  const isOnPci = pciSegments().length > 0
  logger.info(
    `pci by ${pci.length > 0 ? 'memory' : isOnPci ? 'ports' : 'nothing'}, ${mmioDevices.length} devices announced, ${controllers.length} interrupt controllers, ${power === undefined ? 'no' : 'a'} way to turn off${deviceProblems()}`,
  )
  const transports = [NETWORK, DISK].map((kind) => virtioDevices(kind)[0])
  const [net, disk] = transports as [VirtioTransport, VirtioTransport]
  logger.info(`registers ${areRegistersHigh() ? 'above' : 'below'} 4 GiB${deviceProblems()}`)
  const made: DataView[] = []
  const memory = recording(commandLine.includes('high') ? HIGH : DMA, made)

  // Each answer comes by an interrupt: without, this would wait for ever.
  const { block, polled } = createVirtioBlock(disk, memory)
  machine.add(polled)
  const sector = new Uint8Array(block.sectorBytes)
  for (let i = 0; i < REQUESTS; i++) {
    await block.write(i, sector.fill(i + 1))
    await block.read(i, sector.fill(0))
    if (sector.some((octet) => octet !== i + 1)) throw new Error(`sector ${i} holds something else`)
  }
  logger.info(`disk: ${REQUESTS} sectors written and read`)

  const firstOfNetwork = made.length
  const network = createVirtioNetwork(net, memory, { onBroken: () => logger.info('network: broken') })
  machine.add(network)
  logger.info(`network: ${await askGateway(network, time)} answers`)
  if (commandLine.includes('restart')) return await askToRestart(block)
  if (!commandLine.includes('break')) return

  const read = block.read(0, sector)
  tellNonsense(made[0] as DataView, sizeOf(disk.queueMaxSize(0), 64))
  await read.catch((error: Error) => logger.info(`disk: ${error.message}`))
  const frame = network.alloc()
  if (frame === undefined) throw new Error('no frame')
  network.send(frame, network.headroomBytes, network.headroomBytes + ARP_LEN)
  tellNonsense(made[firstOfNetwork + 1] as DataView, sizeOf(net.queueMaxSize(1), 256))
  for (let i = 0; network.counters.broken === 0 && i < PATIENCE; i++) await time.sleep(ms(WAIT_MS))
}

async function askToRestart(block: Block): Promise<JobEnd> {
  const sector = new Uint8Array(block.sectorBytes)
  await block.read(REQUESTS, sector)
  const restarts = sector[0] as number
  await block.write(REQUESTS, sector.fill(restarts + 1))
  await block.flush()
  return restarts < RESTARTS ? RESTART : undefined
}

function recording(memory: DmaMemory, made: DataView[]): DmaMemory {
  return {
    alloc(lenBytes, alignBytes) {
      const given = memory.alloc(lenBytes, alignBytes)
      made.push(new DataView(given.buffer))
      return given
    },
    barrier: memory.barrier,
  }
}

function sizeOf(queueMaxSize: number, most: number): number {
  return Math.min(queueMaxSize, most)
}

/** Makes available to the device, which has not been told yet, descriptors that there are none of. */
function tellNonsense(ring: DataView, size: number): void {
  for (let i = 0; i < size; i++) ring.setUint16(16 * size + 4 + 2 * i, 0x7fff, true)
}

/** Whether firmware gave a virtio device registers above 4 GiB: its fourth address has 64 bits. */
function areRegistersHigh(): boolean {
  return pciSegments().some(({ config, firstBus }) =>
    listPci(config, firstBus).some(
      (device) => (config.read32(device, 0) & 0xffff) === 0x1af4 && config.read32(device, 0x24) !== 0,
    ),
  )
}

/** Asks QEMU's user network who 10.0.2.2 is, several times. */
async function askGateway(net: Network, time: Time): Promise<number> {
  let answers = 0
  net.listen((frame, off, end) => {
    if (end - off >= ARP_LEN && frame.dv.getUint16(off + 12) === 0x0806 && frame.dv.getUint16(off + 20) === 2) answers++
  })
  for (let asked = 1; asked <= REQUESTS; asked++) {
    const frame = net.alloc()
    if (frame === undefined) throw new Error('no frame')
    const off = net.headroomBytes
    const { u8, dv } = frame
    u8.fill(0, off, off + ARP_LEN)
    u8.fill(0xff, off, off + 6)
    for (const at of [6, 22]) {
      dv.setUint16(off + at, net.mac / 2 ** 32)
      dv.setUint32(off + at + 2, net.mac % 2 ** 32)
    }
    u8.set([8, 6, 0, 1, 8, 0, 6, 4, 0, 1], off + 12)
    u8.set([10, 0, 2, 15], off + 28)
    u8.set([10, 0, 2, 2], off + 38)
    net.send(frame, off, off + ARP_LEN)
    for (let i = 0; answers < asked && i < PATIENCE; i++) await time.sleep(ms(WAIT_MS))
  }
  return answers
}
