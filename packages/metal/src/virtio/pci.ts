/** Virtio over PCI, modern devices with MSI-X (Virtual I/O Device 1.2 §4.1), and how a PC reaches configuration space. */
import {
  irqMessage,
  mmioRead8,
  mmioRead16,
  mmioRead32,
  mmioWrite8,
  mmioWrite16,
  mmioWrite32,
  portRead32,
  portWrite32,
} from 'mirage:native'
import { listPci, openPciVirtio, type PciConfig, type PciVirtio } from './pci-bus.ts'
import type { QueueAddresses, VirtioTransport } from './transport.ts'

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
const QUEUE_SELECT = 22
const QUEUE_SIZE = 24
const QUEUE_MSIX_VECTOR = 26
const QUEUE_ENABLE = 28
const QUEUE_NOTIFY_OFF = 30
const QUEUE_DESC = 32
const QUEUE_DRIVER = 40
const QUEUE_DEVICE = 48
const NO_VECTOR = 0xffff

/** The virtio devices on PCI, in the order of their addresses. */
export function openPci(): readonly VirtioTransport[] {
  portWrite32(CONFIG_ADDRESS, CONFIG_ENABLE)
  // A machine without the mechanism does not keep the address.
  if (portRead32(CONFIG_ADDRESS) !== CONFIG_ENABLE) return []
  return listPci(PORTS)
    .map((device) => openPciVirtio(PORTS, device))
    .filter((found) => found !== undefined)
    .map((found) => new PciTransport(found))
}

class PciTransport implements VirtioTransport {
  readonly name: string
  readonly deviceId: number
  private readonly common: number
  private readonly registers: PciVirtio
  /** Address by which a queue is notified. */
  private readonly doorbells: number[] = []

  constructor(registers: PciVirtio) {
    this.name = registers.name
    this.deviceId = registers.deviceId
    this.common = registers.common.base
    this.registers = registers
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
    // §4.1.4.3.2: after a reset the driver waits until the device has done it. One that never does fails later.
    for (let i = 0; status === 0 && i < 1000 && this.status() !== 0; i++);
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
    if (off + 2 > notify.lenBytes)
      throw new Error(`Cannot use virtio device at ${this.name}: queue ${index} lies outside`)
    this.doorbells[index] = notify.base + off
    mmioWrite16(this.common + QUEUE_MSIX_VECTOR, 0)
    mmioWrite16(this.common + QUEUE_ENABLE, 1)
  }

  notify(index: number): void {
    mmioWrite16(this.doorbells[index] as number, index)
  }

  /** A message needs no acknowledgement: it is gone once delivered. */
  hasInterrupt(): boolean {
    return false
  }

  acknowledgeInterrupt(): void {}

  /** All queues share the first entry of the table. */
  enableInterrupt(): void {
    const { address, data } = irqMessage()
    const entry = this.registers.interrupts.base
    mmioWrite32(entry, address >>> 0)
    mmioWrite32(entry + 4, Math.floor(address / 0x1_0000_0000))
    mmioWrite32(entry + 8, data)
    mmioWrite32(entry + 12, 0) // not masked
    mmioWrite16(this.common + CONFIG_MSIX_VECTOR, NO_VECTOR)
  }

  readConfig8(off: number): number {
    const { config } = this.registers
    if (config === undefined || off >= config.lenBytes) return 0
    return mmioRead8(config.base + off)
  }

  private writeAddress(register: number, address: number): void {
    mmioWrite32(this.common + register, address >>> 0)
    mmioWrite32(this.common + register + 4, Math.floor(address / 0x1_0000_0000))
  }
}
