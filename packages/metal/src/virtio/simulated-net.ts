/** A network device for tests, with two queues of `queueSize` buffers; the tests do its work. */
import type { SimulatedMemory } from './simulated-device.ts'
import { SimulatedTransport } from './simulated-transport.ts'

const LITTLE = true
const STATUS = 6
const MTU = 10
const CONFIG_LEN = 12

export class SimulatedNetDevice extends SimulatedTransport {
  readonly deviceId = 1
  /** EVENT_IDX, MAC and VERSION_1. */
  features: [number, number] = [(1 << 29) | (1 << 5), 1]
  mtuBytes = 1500
  private readonly queueSize: number

  constructor(memory: SimulatedMemory, queueSize: number) {
    super(memory)
    this.queueSize = queueSize
  }

  protected maxSize(): number {
    return this.queueSize
  }

  protected config(): DataView {
    const config = new DataView(Uint8Array.of(2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0).buffer)
    config.setUint16(MTU, this.mtuBytes, LITTLE)
    return config
  }

  protected fieldLen(off: number): number {
    return off < STATUS ? 1 : off % 2 === 0 && off < CONFIG_LEN ? 2 : 0
  }
}
