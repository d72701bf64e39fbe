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
  /** True when the device has raised its interrupt since it was last acknowledged. */
  hasInterrupt(): boolean
  /** Lowers the interrupt. Look at the queues once more before sleeping. */
  acknowledgeInterrupt(): void
  /** Lets the interrupt end the machine's sleep. */
  enableInterrupt(): void
  /** One octet of the device's configuration space. */
  readConfig8(off: number): number
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
export const STATUS_FAILED = 128

/** Feature bits of every device (§6), as bits of their word. */
export const F_RING_INDIRECT_DESC = 1 << 28 // word 0
export const F_RING_EVENT_IDX = 1 << 29 // word 0
export const F_VERSION_1 = 1 << 0 // bit 32: word 1

/**
 * Resets the device and agrees on features (§3.1.1 steps 1 to 6): those of `wanted` that it offers, and VERSION_1, which
 * we need. `consistent` takes away bits that lack what they require. Returns the bits agreed of word 0. The caller sets up
 * queues and ends with {@link startDevice}.
 */
export function negotiate(
  transport: VirtioTransport,
  wanted: number,
  consistent: (bits: number) => number = (bits) => bits,
): number {
  transport.setStatus(0)
  transport.setStatus(STATUS_ACKNOWLEDGE)
  transport.setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER)
  if ((transport.deviceFeatures(1) & F_VERSION_1) === 0) {
    throw new Error(`Cannot use virtio device at ${transport.name}: it is a legacy one (QEMU: force-legacy=off)`)
  }
  const agreed = consistent(transport.deviceFeatures(0) & wanted)
  transport.setDriverFeatures(0, agreed)
  transport.setDriverFeatures(1, F_VERSION_1)
  transport.setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK)
  if ((transport.status() & STATUS_FEATURES_OK) === 0) {
    transport.setStatus(STATUS_FAILED)
    throw new Error(
      `Cannot use virtio device at ${transport.name}: it refuses features 0x${(agreed >>> 0).toString(16)}`,
    )
  }
  return agreed
}

/** Makes the device live (§3.1.1 step 8). */
export function startDevice(transport: VirtioTransport): void {
  transport.setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK)
}
