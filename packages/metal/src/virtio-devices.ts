/**
 * The virtio devices of a bare machine: first those that the hypervisor names on the command line, in its order, then
 * those on PCI.
 */
import { barrier, commandLine, dmaAddress, dmaAlloc } from 'mirage:native'
import { openMmio } from './virtio/mmio.ts'
import { parseMmioWindows } from './virtio/mmio-windows.ts'
import { openPci } from './virtio/pci.ts'
import type { DmaMemory, VirtioTransport } from './virtio/transport.ts'

/** The memory that devices may reach. */
export const DMA: DmaMemory = {
  alloc(lenBytes, alignBytes) {
    const buffer = dmaAlloc(lenBytes, alignBytes)
    return { buffer, address: dmaAddress(buffer) }
  },
  barrier,
}

let found: readonly VirtioTransport[] | undefined

/** The devices of one kind (§5). */
export function virtioDevices(deviceId: number): readonly VirtioTransport[] {
  found ??= [
    ...parseMmioWindows(commandLine)
      .map(openMmio)
      .filter((transport) => transport !== undefined),
    ...openPci(),
  ]
  return found.filter((transport) => transport.deviceId === deviceId)
}
