/**
 * How a driver talks to a virtio device, whatever bus it sits on (Virtual I/O Device 1.2 §2, §4): MMIO or PCI.
 */

/** Where the three parts of a queue lie in physical memory (§2.7). */
export interface QueueAddresses {
  readonly descriptors: number
  readonly available: number
  readonly used: number
}

export interface VirtioTransport {
  /** Where the device is, for messages. */
  readonly name: string
  /** What kind of device it is (§5): 1 is a network interface, 2 a block device. */
  readonly deviceId: number
  /** 32 feature bits from bit `32 * word` on. */
  deviceFeatures(word: number): number
  setDriverFeatures(word: number, bits: number): void
  status(): number
  /** Writing 0 resets the device. */
  setStatus(status: number): void
  /** Greatest size of queue `index`, 0 when there is no such queue. */
  queueMaxSize(index: number): number
  /** Sets up queue `index` and makes it live. */
  enableQueue(index: number, size: number, addresses: QueueAddresses): void
  /** Tells the device to look at queue `index`. */
  notify(index: number): void
  /**
   * Lowers the interrupt, if it is raised; look at the queues once more before sleeping. `hasUsed` says that a buffer was found
   * there, so that the interrupt needs no other cause. True when the device says that it has broken: {@link STATUS_NEEDS_RESET}.
   */
  acknowledgeInterrupt(hasUsed: boolean): boolean
  /** Lets the interrupt end the machine's sleep. */
  enableInterrupt(): void
  /** Changes with the device's configuration (§2.5); see {@link readWhole}. */
  configGeneration(): number
  /** A field of the device's configuration space, read at the width it has (§4.1.3.1, §4.2.2.2); 0 beyond its end. */
  readConfig8(off: number): number
  readConfig16(off: number): number
  readConfig32(off: number): number
  /** Writes 32 bits there, where the device has them. */
  writeConfig32(off: number, value: number): void
}

/** Physically contiguous memory that the device may read and write. */
export interface DmaMemory {
  /** Zeroed and never freed. */
  alloc(lenBytes: number, alignBytes: number): { readonly buffer: ArrayBuffer; readonly address: number }
  /** No load or store moves across it. */
  barrier(): void
}

/** Bits of the status register (§2.1). */
export const STATUS_ACKNOWLEDGE = 1
export const STATUS_DRIVER = 2
export const STATUS_DRIVER_OK = 4
export const STATUS_FEATURES_OK = 8
/** What was given to the device may never come back (§2.1.1). */
export const STATUS_NEEDS_RESET = 64
export const STATUS_FAILED = 128

/** Feature bits of every device (§6), as bits of their word. */
export const F_RING_INDIRECT_DESC = 1 << 28 // word 0
export const F_RING_EVENT_IDX = 1 << 29 // word 0
export const F_VERSION_1 = 1 << 0 // bit 32: word 1
/**
 * Bits 33 and 36 (§6.1): the device is behind an IOMMU, which nobody has switched on, so that addresses are those of memory;
 * and it is real hardware, for which the order in which a processor of this kind writes is enough.
 */
const F_PLATFORM: number = (1 << 1) | (1 << 4) // word 1

/** How often the status is looked at until the device is taken for one that does not reset; each look takes a microsecond or so. */
const RESET_LOOKS = 100_000
/** How often a configuration is read that changes meanwhile. */
const CONFIG_READS = 100

/**
 * Resets the device and agrees on features (§3.1.1 steps 1 to 6): those of `wanted` that it offers, and VERSION_1, which
 * we need. `consistent` takes away bits that lack what they require, or that are no use with what the device's configuration
 * says. Returns the bits agreed of word 0. The caller sets up queues and ends with {@link startDevice}; what keeps it from that
 * it says by {@link unusable}.
 */
export function negotiate(
  transport: VirtioTransport,
  wanted: number,
  consistent: (bits: number) => number = (bits) => bits,
): number {
  transport.setStatus(0)
  let looks = 0
  while (transport.status() !== 0) if (++looks === RESET_LOOKS) throw unusable(transport, 'virtio', 'it does not reset')
  transport.setStatus(STATUS_ACKNOWLEDGE)
  transport.setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER)
  const high = transport.deviceFeatures(1)
  if ((high & F_VERSION_1) === 0) throw unusable(transport, 'virtio', 'it is a legacy one (QEMU: force-legacy=off)')
  const agreed = consistent(transport.deviceFeatures(0) & wanted)
  transport.setDriverFeatures(0, agreed)
  transport.setDriverFeatures(1, high & (F_VERSION_1 | F_PLATFORM))
  transport.setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK)
  if ((transport.status() & STATUS_FEATURES_OK) === 0) {
    throw unusable(transport, 'virtio', `it refuses features 0x${(agreed >>> 0).toString(16)}`)
  }
  return agreed
}

/** Makes the device live (§3.1.1 step 8). */
export function startDevice(transport: VirtioTransport): void {
  transport.setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK)
}

/** Tells the device that it is given up (§3.1.1); returns the error that says so to the user. */
export function unusable(transport: VirtioTransport, kind: string, why: string): Error {
  transport.setStatus(transport.status() | STATUS_FAILED)
  return new Error(`Cannot use ${kind} device at ${transport.name}: ${why}`)
}

/** What `read` finds in the configuration while it does not change (§2.5.1). */
export function readWhole<T>(transport: VirtioTransport, read: () => T): T {
  for (let i = 0; i < CONFIG_READS; i++) {
    const generation = transport.configGeneration()
    const found = read()
    if (transport.configGeneration() === generation) return found
  }
  throw unusable(transport, 'virtio', 'its configuration changes each time it is read')
}
