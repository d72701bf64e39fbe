/**
 * A device's registers, for tests: they hold the driver to what it must do (Virtual I/O Device 1.2 §2.1.1, §2.2.1, §3.1.1,
 * §4.1, §4.2), and throw when it does otherwise. What kind of device it is, and what is in its queues, is its derivation's.
 */
import { DeviceQueue, type SimulatedMemory } from './simulated-device.ts'
import type { QueueAddresses, VirtioTransport } from './transport.ts'

const LITTLE = true
const FEATURES_OK = 8
const DRIVER_OK = 4
const NEEDS_RESET = 64

export abstract class SimulatedTransport implements VirtioTransport {
  readonly name = 'simulated'
  abstract readonly deviceId: number
  readonly memory: SimulatedMemory
  readonly queues: DeviceQueue[] = []
  /** Numbers of the queues that it was told of. */
  readonly notified: number[] = []
  readonly configWrites: [off: number, value: number][] = []
  /** Bits of word 0 and word 1. */
  abstract features: [number, number]
  /** What the driver has taken of them. */
  readonly driverFeatures: number[] = []
  refusesFeatures = false
  /** It takes so many looks at the status until it is reset. */
  resetLooks = 0
  /** So many times its configuration is another one while it is read. */
  configChanges = 0
  needsReset = false
  interrupt = false
  protected statusBits = 0
  private generation = 0
  private looksLeft = 0

  constructor(memory: SimulatedMemory) {
    this.memory = memory
  }

  /** Its configuration, and of how many octets the field at `off` is. */
  protected abstract config(): DataView
  protected abstract fieldLen(off: number): number
  protected abstract maxSize(index: number): number

  deviceFeatures(word: number): number {
    return this.features[word] ?? 0
  }

  setDriverFeatures(word: number, bits: number): void {
    check((this.statusBits & FEATURES_OK) === 0, 'features change after FEATURES_OK')
    check((bits & ~(this.features[word] ?? 0)) === 0, `it takes features 0x${bits.toString(16)} that are not offered`)
    this.driverFeatures[word] = bits
  }

  status(): number {
    if (this.looksLeft > 0) return this.looksLeft--
    return this.statusBits | (this.needsReset ? NEEDS_RESET : 0)
  }

  setStatus(status: number): void {
    if (status === 0) {
      this.looksLeft = this.resetLooks
      this.needsReset = false
    } else {
      check(this.looksLeft === 0, 'it goes on before the device is reset')
      check((this.statusBits & ~status & ~NEEDS_RESET) === 0, 'it clears a bit of the status')
    }
    this.statusBits = this.refusesFeatures ? status & ~FEATURES_OK : status
  }

  queueMaxSize(index: number): number {
    return this.maxSize(index)
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): void {
    check((this.statusBits & FEATURES_OK) !== 0, 'a queue is set up before FEATURES_OK')
    check((this.statusBits & DRIVER_OK) === 0, 'a queue is set up after DRIVER_OK')
    check(size > 0 && (size & (size - 1)) === 0 && size <= this.maxSize(index), `a queue has ${size} places`)
    const { descriptors, available, used } = addresses
    check(descriptors % 16 === 0 && available % 2 === 0 && used % 4 === 0, 'a part of a queue is not aligned (§2.7)')
    this.queues[index] = new DeviceQueue(this.memory, size, addresses)
  }

  notify(index: number): void {
    check((this.statusBits & DRIVER_OK) !== 0, 'the device is notified before DRIVER_OK')
    this.notified.push(index)
  }

  acknowledgeInterrupt(): boolean {
    this.interrupt = false
    return this.needsReset
  }

  enableInterrupt(): void {}

  configGeneration(): number {
    return this.generation
  }

  readConfig8(off: number): number {
    this.checkField(off, 1)
    return this.config().getUint8(off)
  }

  readConfig16(off: number): number {
    this.checkField(off, 2)
    return this.config().getUint16(off, LITTLE)
  }

  readConfig32(off: number): number {
    this.checkField(off, 4)
    return this.config().getUint32(off, LITTLE)
  }

  writeConfig32(off: number, value: number): void {
    this.configWrites.push([off, value])
  }

  /** §4.1.3.1, §4.2.2.2: a field is read at its own width, one of 64 bits by halves. */
  private checkField(off: number, lenBytes: number): void {
    check(this.fieldLen(off) === lenBytes, `${lenBytes} octets of its configuration are read at ${off}`)
    if (this.configChanges === 0) return
    this.configChanges--
    this.generation = (this.generation + 1) & 0xff
  }
}

function check(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(`The driver does what it must not: ${what}`)
}
