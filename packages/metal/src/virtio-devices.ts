/** The virtio devices of a bare machine, in the order in which the hypervisor names them on the command line. */
import { barrier, commandLine, dmaAddress, dmaAlloc } from 'mirage:native'
import { openMmio } from './virtio/mmio.ts'
import { parseMmioWindows } from './virtio/mmio-windows.ts'
import type { DmaMemory, VirtioTransport } from './virtio/transport.ts'

/** The memory that devices may reach. */
export const DMA: DmaMemory = {
  alloc(lenBytes, alignBytes) {
    const buffer = dmaAlloc(lenBytes, alignBytes)
    return { buffer, address: dmaAddress(buffer) }
  },
  barrier,
}

/** The devices of one kind (§5). */
export function virtioDevices(deviceId: number): readonly VirtioTransport[] {
  return parseMmioWindows(commandLine)
    .map(openMmio)
    .filter((transport) => transport !== undefined)
    .filter((transport) => transport.deviceId === deviceId)
}
