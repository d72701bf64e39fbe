/**
 * What is on a PCI bus, and where a device keeps the registers of virtio (PCI Local Bus 3.0 §6; Virtual I/O Device 1.2
 * §4.1). Knows no machine: the configuration space is an argument.
 */

/** Configuration space: `device` is bus, device and function as `bus << 8 | device << 3 | function`; `off` is a multiple of 4. */
export interface PciConfig {
  read32(device: number, off: number): number
  write32(device: number, off: number, value: number): void
}

/** Where a part of the registers lies in memory. */
export interface PciWindow {
  readonly base: number
  readonly lenBytes: number
}

/** A modern virtio device. */
export interface PciVirtio {
  /** `0000:00:02.0`. */
  readonly name: string
  readonly deviceId: number
  readonly common: PciWindow
  readonly notify: PciWindow
  readonly notifyMultiplier: number
  readonly config: PciWindow | undefined
  readonly interrupt: PciInterrupt
}

/** How a device interrupts: by message (MSI-X), or, where it cannot, by a line that it may share with others. */
export type PciInterrupt =
  | { readonly tag: 'message'; readonly table: PciWindow }
  | { readonly tag: 'line'; readonly irq: number; readonly status: PciWindow }

// Offsets in configuration space (PCI 3.0 §6.1), in words of 32 bits.
const ID = 0x00
const COMMAND = 0x04
const HEADER_TYPE = 0x0c
const BAR_0 = 0x10
const BRIDGE_BUSES = 0x18
const SUBSYSTEM = 0x2c
const CAPABILITIES = 0x34
const INTERRUPT = 0x3c
const COMMAND_MEMORY = 2
const COMMAND_BUS_MASTER = 4
const COMMAND_NO_INTX = 0x400
const STATUS_HAS_CAPABILITIES = 1 << 20

const CAPABILITY_VENDOR = 0x09
const CAPABILITY_MSIX = 0x11
const MSIX_ENABLE = 0x8000_0000
const MSIX_MASK_ALL = 0x4000_0000

const VENDOR_VIRTIO = 0x1af4
/** §4.1.2: this plus the kind of device; from here to there a transitional one, whose subsystem id is the kind. */
const DEVICE_MODERN = 0x1040
const DEVICE_TRANSITIONAL = 0x1000

// §4.1.4, cfg_type
const TYPE_COMMON = 1
const TYPE_NOTIFY = 2
const TYPE_ISR = 3
const TYPE_CONFIG = 4

/** Configuration space ends here: a capability that says it reaches beyond is ignored. */
const CONFIG_END = 0x100
/** §4.1.4: struct virtio_pci_cap, and the longer one of notifications; PCI 3.0 §6.8.2: MSI-X. */
const VIRTIO_LEN = 16
const NOTIFY_LEN = 20
const MSIX_LEN = 12

/** Capabilities are a list in 192 octets, four at least each: a longer one is a loop. */
const MAX_CAPABILITIES = 48
const MAX_BUS = 255
/** So that every address of a register is an exact number. */
const MAX_BASE = 2 ** 52
/** Interrupt Line of a device that has none, or that firmware connected to none (PCI 3.0 §6.2.4). */
const NO_LINE = 0xff

/** Every device and function behind bus `first`, bridges followed; empty when there is no PCI. */
export function listPci(config: PciConfig, first = 0): readonly number[] {
  const found: number[] = []
  const buses = [first]
  for (const bus of buses) {
    for (let slot = 0; slot < 32; slot++) {
      const first = (bus << 8) | (slot << 3)
      if (!isThere(config, first)) continue
      const isMulti = (config.read32(first, HEADER_TYPE) & 0x80_0000) !== 0
      for (let device = first; device < first + (isMulti ? 8 : 1); device++) {
        if (!isThere(config, device)) continue
        found.push(device)
        const isBridge = ((config.read32(device, HEADER_TYPE) >>> 16) & 0x7f) === 1
        const behind = (config.read32(device, BRIDGE_BUSES) >>> 8) & 0xff
        if (isBridge && behind > bus && behind <= MAX_BUS && !buses.includes(behind)) buses.push(behind)
      }
    }
  }
  return found
}

function isThere(config: PciConfig, device: number): boolean {
  return (config.read32(device, ID) & 0xffff) !== 0xffff
}

/**
 * Looks at one device, and switches it on: memory, bus mastering, interrupts by message, all masked. `undefined` when it
 * is no modern virtio device. Throws when it is one that cannot be driven.
 */
export function openPciVirtio(config: PciConfig, device: number, segment = 0): PciVirtio | undefined {
  const deviceId = virtioKind(config, device)
  if (deviceId === undefined) return undefined
  const name = nameOf(device, segment)
  let common: PciWindow | undefined
  let notify: PciWindow | undefined
  let ownConfig: PciWindow | undefined
  let notifyMultiplier = 0
  let status: PciWindow | undefined
  let table: PciWindow | undefined
  let msix = 0
  let hasUnreachable = false
  for (const at of capabilities(config, device)) {
    const head = config.read32(device, at)
    const type = head >>> 24
    if (at + lengthOf(head & 0xff, type) > CONFIG_END) continue
    if ((head & 0xff) === CAPABILITY_VENDOR) {
      const bar = config.read32(device, at + 4) & 0xff
      const off = config.read32(device, at + 8)
      const lenBytes = config.read32(device, at + 12)
      if (type < TYPE_COMMON || type > TYPE_CONFIG || bar > 5) continue
      // The first of a type that can be used is (§4.1.4.1); those of unknown type are to be ignored.
      const known = [common, notify, status, ownConfig][type - TYPE_COMMON]
      if (known !== undefined) continue
      const base = barBase(config, device, bar)
      if (base === undefined) {
        hasUnreachable = true
        continue
      }
      const window = { base: base + off, lenBytes }
      if (type === TYPE_COMMON) common = window
      else if (type === TYPE_CONFIG) ownConfig = window
      else if (type === TYPE_ISR) status = window
      else {
        notify = window
        notifyMultiplier = config.read32(device, at + 16)
      }
    } else if ((head & 0xff) === CAPABILITY_MSIX && table === undefined) {
      const where = config.read32(device, at + 4)
      const count = ((head >>> 16) & 0x7ff) + 1
      const base = barBase(config, device, where & 7)
      if (base === undefined) {
        hasUnreachable = true
        continue
      }
      table = { base: base + ((where & ~7) >>> 0), lenBytes: 16 * count }
      msix = at
    }
  }
  if ((common === undefined || notify === undefined) && hasUnreachable) {
    throw new Error(`Cannot use virtio device at ${name}: firmware gave its registers no address in memory`)
  }
  if (common === undefined || notify === undefined) {
    throw new Error(`Cannot use virtio device at ${name}: it lacks registers of version 1.0 (QEMU: disable-modern=off)`)
  }
  const interrupt: PciInterrupt | undefined =
    table === undefined ? lineOf(config, device, status) : { tag: 'message', table }
  if (interrupt === undefined) {
    throw new Error(`Cannot use virtio device at ${name}: it has no MSI-X, and firmware gave it no interrupt line`)
  }
  setCommand(config, device, COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_NO_INTX, 0)
  if (table !== undefined) {
    config.write32(device, msix, ((config.read32(device, msix) | MSIX_ENABLE) & ~MSIX_MASK_ALL) >>> 0)
  }
  return { name, deviceId, common, notify, notifyMultiplier, config: ownConfig, interrupt }
}

/** Lets a device raise its interrupt line. */
export function allowPciLine(config: PciConfig, device: number): void {
  setCommand(config, device, 0, COMMAND_NO_INTX)
}

function setCommand(config: PciConfig, device: number, set: number, clear: number): void {
  // The upper half is the status: writing zeros there changes nothing.
  const command = config.read32(device, COMMAND) & 0xffff
  config.write32(device, COMMAND, (command | set) & ~clear)
}

/** The line that firmware connected the device to, as a number of the ISA bus or of an I/O APIC. */
function lineOf(config: PciConfig, device: number, status: PciWindow | undefined): PciInterrupt | undefined {
  const word = config.read32(device, INTERRUPT)
  const irq = word & 0xff
  const hasPin = (word & 0xff00) !== 0
  return hasPin && irq > 0 && irq < NO_LINE && status !== undefined ? { tag: 'line', irq, status } : undefined
}

/** What kind of virtio device it is (§5), or `undefined` when it is something else. */
function virtioKind(config: PciConfig, device: number): number | undefined {
  const id = config.read32(device, ID)
  const product = id >>> 16
  if ((id & 0xffff) !== VENDOR_VIRTIO) return undefined
  if (product > DEVICE_MODERN && product < DEVICE_MODERN + 64) return product - DEVICE_MODERN
  const isTransitional = product >= DEVICE_TRANSITIONAL && product < DEVICE_MODERN
  return isTransitional ? config.read32(device, SUBSYSTEM) >>> 16 : undefined
}

function capabilities(config: PciConfig, device: number): readonly number[] {
  const found: number[] = []
  if ((config.read32(device, COMMAND) & STATUS_HAS_CAPABILITIES) === 0) return found
  let at = config.read32(device, CAPABILITIES) & 0xfc
  while (at >= 0x40 && found.length < MAX_CAPABILITIES) {
    found.push(at)
    at = (config.read32(device, at) >>> 8) & 0xfc
  }
  return found
}

function lengthOf(capability: number, type: number): number {
  if (capability === CAPABILITY_MSIX) return MSIX_LEN
  return type === TYPE_NOTIFY ? NOTIFY_LEN : VIRTIO_LEN
}

/** Where a BAR is in memory; `undefined` of one in I/O space, or that firmware gave no address. */
function barBase(config: PciConfig, device: number, bar: number): number | undefined {
  const low = config.read32(device, BAR_0 + 4 * bar)
  const is64 = (low & 6) === 4
  const high = is64 && bar < 5 ? config.read32(device, BAR_0 + 4 * bar + 4) : 0
  const base = ((low & ~15) >>> 0) + high * 2 ** 32
  return (low & 1) !== 0 || base === 0 || base > MAX_BASE ? undefined : base
}

function nameOf(device: number, segment: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
  return `${hex(segment, 4)}:${hex(device >>> 8, 2)}:${hex((device >>> 3) & 31, 2)}.${device & 7}`
}
