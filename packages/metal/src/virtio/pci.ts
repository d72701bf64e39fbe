/**
 * Virtio over PCI, modern devices (Virtual I/O Device 1.2 §4.1). Configuration space is in memory where firmware says so
 * (ECAM), else behind the two ports of every PC.
 */
import {
  irqMessage,
  mmioMap,
  mmioRead8,
  mmioRead16,
  mmioRead32,
  mmioWrite8,
  mmioWrite16,
  mmioWrite32,
  portRead32,
  portWrite32,
} from 'mirage:native'
import type { PciRegion } from '../acpi/description.ts'
import { described, enableLine, pciLine } from '../machine-description.ts'
import { allowPciLine, listPci, openPciVirtio, type PciConfig, type PciVirtio, type PciWindow } from './pci-bus.ts'
import { createEcam } from './pci-ecam.ts'
import { type QueueAddresses, STATUS_NEEDS_RESET, unusable, type VirtioTransport } from './transport.ts'

// PCI 3.0 §3.2.2.3.2, configuration mechanism 1
const CONFIG_ADDRESS = 0xcf8
const CONFIG_DATA = 0xcfc
const CONFIG_ENABLE = 0x8000_0000

const PORTS: PciConfig = {
  read32(device, off) {
    portWrite32(CONFIG_ADDRESS, CONFIG_ENABLE + device * 256 + off)
    return portRead32(CONFIG_DATA)
  },
  write32(device, off, value) {
    portWrite32(CONFIG_ADDRESS, CONFIG_ENABLE + device * 256 + off)
    portWrite32(CONFIG_DATA, value)
  },
}

// §4.1.4.3, struct virtio_pci_common_cfg
const DEVICE_FEATURE_SELECT = 0
const DEVICE_FEATURE = 4
const DRIVER_FEATURE_SELECT = 8
const DRIVER_FEATURE = 12
const CONFIG_MSIX_VECTOR = 16
const DEVICE_STATUS = 20
const CONFIG_GENERATION = 21
const QUEUE_SELECT = 22
const QUEUE_SIZE = 24
const QUEUE_MSIX_VECTOR = 26
const QUEUE_ENABLE = 28
const QUEUE_NOTIFY_OFF = 30
const QUEUE_DESC = 32
const QUEUE_DRIVER = 40
const QUEUE_DEVICE = 48
/** All queues, and changes of the configuration, share the first entry of the table. */
const VECTOR = 0
const NO_VECTOR = 0xffff
/** §4.1.4.5: the bit of the interrupt's status that stands for those. */
const EVENT_CONFIG = 2
const COMMON_LEN = 56
const MESSAGE_LEN = 16
/** The device's own configuration: more than any kind has. */
const MAX_CONFIG_LEN = 4096
const BUS_BYTES = 1 << 20

/** One of the machine's trees of buses. */
interface PciSegment {
  readonly config: PciConfig
  readonly segment: number
  readonly firstBus: number
}

/** The virtio devices on PCI, in the order of their addresses; what keeps one from being used is added to `problems`. */
export function openPci(problems: string[]): readonly VirtioTransport[] {
  const found: VirtioTransport[] = []
  for (const { config, segment, firstBus } of pciSegments()) {
    for (const device of listPci(config, firstBus)) {
      try {
        const registers = openPciVirtio(config, device, segment)
        if (registers !== undefined) found.push(new PciTransport(registers, config, device))
      } catch (error) {
        // Another device may be all that the application needs.
        problems.push(String(error instanceof Error ? error.message : error))
      }
    }
  }
  return found
}

/** How the machine's configuration space is reached; empty on a machine without PCI. */
export function pciSegments(): readonly PciSegment[] {
  const regions = described().pci.filter(isReachable)
  const inMemory = regions.map((region) => ({
    config: createEcam(region, mmioRead32, mmioWrite32),
    segment: region.segment,
    firstBus: region.firstBus,
  }))
  if (regions.some(({ segment }) => segment === 0)) return inMemory
  portWrite32(CONFIG_ADDRESS, CONFIG_ENABLE)
  // A machine without the mechanism does not keep the address.
  if (portRead32(CONFIG_ADDRESS) !== CONFIG_ENABLE) return inMemory
  return [{ config: PORTS, segment: 0, firstBus: 0 }, ...inMemory]
}

function isReachable({ base, firstBus, lastBus }: PciRegion): boolean {
  return mmioMap(base + firstBus * BUS_BYTES, (lastBus + 1 - firstBus) * BUS_BYTES)
}

class PciTransport implements VirtioTransport {
  readonly name: string
  readonly deviceId: number
  private readonly common: number
  private readonly registers: PciVirtio
  /** Address by which a queue is notified. */
  private readonly doorbells: number[] = []
  private readonly pci: PciConfig
  private readonly device: number
  private readonly configLen: number
  /** Where a line is looked at and lowered: reading does both (§4.1.4.5). 0 with interrupts by message. */
  private readonly statusAt: number

  /** Throws when its registers cannot be reached. */
  constructor(registers: PciVirtio, pci: PciConfig, device: number) {
    const { common, config, interrupt, name, deviceId } = registers
    this.name = name
    this.deviceId = deviceId
    this.common = common.base
    this.registers = registers
    this.pci = pci
    this.device = device
    this.reach(common, COMMON_LEN)
    this.configLen = Math.min(config?.lenBytes ?? 0, MAX_CONFIG_LEN)
    if (config !== undefined && this.configLen > 0) this.reach(config, this.configLen)
    this.statusAt = interrupt.tag === 'line' ? interrupt.status.base : 0
    if (interrupt.tag === 'line') this.reach(interrupt.status, 1)
    else this.reach(interrupt.table, MESSAGE_LEN)
  }

  private reach({ base, lenBytes }: PciWindow, neededLen: number): void {
    const isAligned = base % (neededLen >= 4 ? 4 : neededLen) === 0
    if (isAligned && lenBytes >= neededLen && mmioMap(base, neededLen)) return
    throw new Error(
      `Cannot use virtio device at ${this.name}: ${neededLen} octets of registers at 0x${base.toString(16)} are not in device memory that can be mapped`,
    )
  }

  deviceFeatures(word: number): number {
    mmioWrite32(this.common + DEVICE_FEATURE_SELECT, word)
    return mmioRead32(this.common + DEVICE_FEATURE)
  }

  setDriverFeatures(word: number, bits: number): void {
    mmioWrite32(this.common + DRIVER_FEATURE_SELECT, word)
    mmioWrite32(this.common + DRIVER_FEATURE, bits >>> 0)
  }

  status(): number {
    return mmioRead8(this.common + DEVICE_STATUS)
  }

  setStatus(status: number): void {
    mmioWrite8(this.common + DEVICE_STATUS, status)
  }

  queueMaxSize(index: number): number {
    mmioWrite16(this.common + QUEUE_SELECT, index)
    return mmioRead16(this.common + QUEUE_SIZE)
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): void {
    const { notify, notifyMultiplier } = this.registers
    mmioWrite16(this.common + QUEUE_SELECT, index)
    mmioWrite16(this.common + QUEUE_SIZE, size)
    this.writeAddress(QUEUE_DESC, addresses.descriptors)
    this.writeAddress(QUEUE_DRIVER, addresses.available)
    this.writeAddress(QUEUE_DEVICE, addresses.used)
    const off = mmioRead16(this.common + QUEUE_NOTIFY_OFF) * notifyMultiplier
    if (off + 2 > notify.lenBytes) throw unusable(this, 'virtio', `queue ${index} lies outside`)
    this.reach({ base: notify.base + off, lenBytes: 2 }, 2)
    this.doorbells[index] = notify.base + off
    this.setVector(QUEUE_MSIX_VECTOR)
    mmioWrite16(this.common + QUEUE_ENABLE, 1)
  }

  notify(index: number): void {
    mmioWrite16(this.doorbells[index] as number, index)
  }

  /** Which of the events that have an interrupt in common, by message, is not said: without a used buffer it may be any. */
  acknowledgeInterrupt(hasUsed: boolean): boolean {
    const mayBeConfig = this.statusAt === 0 ? !hasUsed : (mmioRead8(this.statusAt) & EVENT_CONFIG) !== 0
    return mayBeConfig && (this.status() & STATUS_NEEDS_RESET) !== 0
  }

  enableInterrupt(): void {
    const { interrupt } = this.registers
    if (interrupt.tag === 'line') {
      enableLine(pciLine(interrupt.irq))
      allowPciLine(this.pci, this.device)
      return
    }
    const { address, data } = irqMessage()
    const entry = interrupt.table.base
    mmioWrite32(entry, address >>> 0)
    mmioWrite32(entry + 4, Math.floor(address / 0x1_0000_0000))
    mmioWrite32(entry + 8, data)
    mmioWrite32(entry + 12, 0) // not masked
    this.setVector(CONFIG_MSIX_VECTOR)
  }

  configGeneration(): number {
    return mmioRead8(this.common + CONFIG_GENERATION)
  }

  readConfig8(off: number): number {
    const at = this.configAt(off, 1)
    return at < 0 ? 0 : mmioRead8(at)
  }

  readConfig16(off: number): number {
    const at = this.configAt(off, 2)
    return at < 0 ? 0 : mmioRead16(at)
  }

  readConfig32(off: number): number {
    const at = this.configAt(off, 4)
    return at < 0 ? 0 : mmioRead32(at)
  }

  writeConfig32(off: number, value: number): void {
    const at = this.configAt(off, 4)
    if (at >= 0) mmioWrite32(at, value)
  }

  private configAt(off: number, lenBytes: number): number {
    const { config } = this.registers
    return config === undefined || off + lenBytes > this.configLen ? -1 : config.base + off
  }

  /** Has an event interrupt by message; where the device does so by its line, by none. */
  private setVector(register: number): void {
    const vector = this.statusAt === 0 ? VECTOR : NO_VECTOR
    mmioWrite16(this.common + register, vector)
    // §4.1.5.1.2.2: a device that cannot says so.
    if (mmioRead16(this.common + register) !== vector) throw unusable(this, 'virtio', 'it has no interrupt left')
  }

  private writeAddress(register: number, address: number): void {
    mmioWrite32(this.common + register, address >>> 0)
    mmioWrite32(this.common + register + 4, Math.floor(address / 0x1_0000_0000))
  }
}
