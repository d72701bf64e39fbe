/** The network interfaces of a bare machine, numbered as the hypervisor names them on the command line. */

import { barrier, commandLine, dmaAddress, dmaAlloc } from 'mirage:native'
import type { Network } from '@mirage-ts/signatures/network'
import { machine } from './machine.ts'
import { openMmio } from './virtio/mmio.ts'
import { parseMmioWindows } from './virtio/mmio-windows.ts'
import { createVirtioNetwork, DEVICE_ID_NET } from './virtio/net.ts'
import type { DmaMemory, VirtioTransport } from './virtio/transport.ts'

const DMA: DmaMemory = {
  alloc(lenBytes, alignBytes) {
    const buffer = dmaAlloc(lenBytes, alignBytes)
    return { buffer, address: dmaAddress(buffer) }
  },
  barrier,
}

export interface NetworkOptions {
  /** Which interface, from 0. */
  readonly index: number
}

/** Starts an interface. Throws when the machine has no such one. */
export function createNetwork(_deps: Readonly<Record<string, never>>, { index }: NetworkOptions): Network {
  const interfaces = networkTransports()
  const transport = interfaces[index]
  if (transport === undefined) {
    throw new Error(
      `Cannot start network ${index}: the machine has ${interfaces.length} (QEMU: -device virtio-net-device, with microvm,acpi=off and force-legacy=off)`,
    )
  }
  const network = createVirtioNetwork(transport, DMA)
  machine.add(network)
  return network
}

function networkTransports(): readonly VirtioTransport[] {
  return parseMmioWindows(commandLine)
    .map(openMmio)
    .filter((transport) => transport !== undefined)
    .filter((transport) => transport.deviceId === DEVICE_ID_NET)
}
