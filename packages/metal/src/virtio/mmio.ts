/** Virtio over memory-mapped registers, version 2 (Virtual I/O Device 1.2 §4.2). Registers are 32 bits, little-endian. */
import { mmioMap, mmioRead8, mmioRead16, mmioRead32, mmioWrite32 } from 'mirage:native'
import type { InterruptLine } from '../acpi/description.ts'
import { enableLine } from '../machine-description.ts'
import { type QueueAddresses, STATUS_NEEDS_RESET, type VirtioTransport } from './transport.ts'

// §4.2.2, table 4.1
const MAGIC = 0x000
const VERSION = 0x004
const DEVICE_ID = 0x008
const DEVICE_FEATURES = 0x010
const DEVICE_FEATURES_SEL = 0x014
const DRIVER_FEATURES = 0x020
const DRIVER_FEATURES_SEL = 0x024
const QUEUE_SEL = 0x030
const QUEUE_SIZE_MAX = 0x034
const QUEUE_SIZE = 0x038
const QUEUE_READY = 0x044
const QUEUE_NOTIFY = 0x050
const INTERRUPT_STATUS = 0x060
const INTERRUPT_ACK = 0x064
const STATUS = 0x070
const QUEUE_DESC_LOW = 0x080
const QUEUE_DRIVER_LOW = 0x090
const QUEUE_DEVICE_LOW = 0x0a0
const CONFIG_GENERATION = 0x0fc
const CONFIG = 0x100

/** What an interrupt may be for: used buffers, and a change of the configuration or of the status. */
const EVENT_CONFIG = 2
const EVENTS = 3

const MAGIC_VIRT = 0x74726976 // "virt"

/** Registers, and the start of the device's own configuration. */
const WINDOW_LEN = 0x200

/** The device whose registers are at `base`; `undefined` when the slot is empty. What keeps one from being used is added to `problems`. */
export function openMmio(base: number, line: InterruptLine, problems: string[]): VirtioTransport | undefined {
  const problem = (what: string) => void problems.push(`Cannot use virtio device at 0x${base.toString(16)}: ${what}`)
  if (base % 4 !== 0 || !mmioMap(base, WINDOW_LEN)) problem('it is not in device memory that can be mapped')
  else if (mmioRead32(base + MAGIC) !== MAGIC_VIRT) problem('there is none')
  else {
    const deviceId = mmioRead32(base + DEVICE_ID)
    if (deviceId === 0) return undefined
    if (mmioRead32(base + VERSION) === 2) return new MmioTransport(base, line, deviceId)
    problem('it is a legacy one (QEMU: -global virtio-mmio.force-legacy=off)')
  }
  return undefined
}

class MmioTransport implements VirtioTransport {
  readonly name: string
  readonly deviceId: number
  private readonly base: number
  private readonly line: InterruptLine

  constructor(base: number, line: InterruptLine, deviceId: number) {
    this.name = `0x${base.toString(16)}`
    this.deviceId = deviceId
    this.base = base
    this.line = line
  }

  deviceFeatures(word: number): number {
    mmioWrite32(this.base + DEVICE_FEATURES_SEL, word)
    return mmioRead32(this.base + DEVICE_FEATURES)
  }

  setDriverFeatures(word: number, bits: number): void {
    mmioWrite32(this.base + DRIVER_FEATURES_SEL, word)
    mmioWrite32(this.base + DRIVER_FEATURES, bits >>> 0)
  }

  status(): number {
    return mmioRead32(this.base + STATUS)
  }

  setStatus(status: number): void {
    mmioWrite32(this.base + STATUS, status)
  }

  queueMaxSize(index: number): number {
    mmioWrite32(this.base + QUEUE_SEL, index)
    return mmioRead32(this.base + QUEUE_SIZE_MAX)
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): void {
    mmioWrite32(this.base + QUEUE_SEL, index)
    mmioWrite32(this.base + QUEUE_SIZE, size)
    this.writeAddress(QUEUE_DESC_LOW, addresses.descriptors)
    this.writeAddress(QUEUE_DRIVER_LOW, addresses.available)
    this.writeAddress(QUEUE_DEVICE_LOW, addresses.used)
    mmioWrite32(this.base + QUEUE_READY, 1)
  }

  notify(index: number): void {
    mmioWrite32(this.base + QUEUE_NOTIFY, index)
  }

  acknowledgeInterrupt(): boolean {
    const events = mmioRead32(this.base + INTERRUPT_STATUS) & EVENTS
    if (events === 0) return false
    mmioWrite32(this.base + INTERRUPT_ACK, events)
    return (events & EVENT_CONFIG) !== 0 && (this.status() & STATUS_NEEDS_RESET) !== 0
  }

  enableInterrupt(): void {
    enableLine(this.line)
  }

  configGeneration(): number {
    return mmioRead32(this.base + CONFIG_GENERATION)
  }

  readConfig8(off: number): number {
    return mmioRead8(this.base + CONFIG + off)
  }

  readConfig16(off: number): number {
    return mmioRead16(this.base + CONFIG + off)
  }

  readConfig32(off: number): number {
    return mmioRead32(this.base + CONFIG + off)
  }

  writeConfig32(off: number, value: number): void {
    mmioWrite32(this.base + CONFIG + off, value)
  }

  private writeAddress(register: number, address: number): void {
    mmioWrite32(this.base + register, address >>> 0)
    mmioWrite32(this.base + register + 4, Math.floor(address / 0x1_0000_0000))
  }
}
