/** The network interfaces of a bare machine, numbered in the order of `virtio-devices.ts`. */

import type { Network } from '@mirage-ts/signatures/network'
import { machineConsole } from './console.ts'
import { machine } from './machine.ts'
import { createVirtioNetwork, DEVICE_ID_NET } from './virtio/net.ts'
import { DMA, deviceProblems, virtioDevices } from './virtio-devices.ts'

export interface NetworkOptions {
  /** Which interface, from 0. */
  readonly index: number
}

/** Starts an interface. Throws when the machine has no such one. */
export function createNetwork(_deps: Readonly<Record<string, never>>, { index }: NetworkOptions): Network {
  const interfaces = virtioDevices(DEVICE_ID_NET)
  const transport = interfaces[index]
  if (transport === undefined) {
    throw new Error(
      `Cannot start network ${index}: the machine has ${interfaces.length} (QEMU: -device virtio-net-pci; on microvm,acpi=off virtio-net-device with force-legacy=off)${deviceProblems()}`,
    )
  }
  const onBroken = () =>
    machineConsole().write(`Network ${index} has stopped: the device at ${transport.name} says that it needs a reset\n`)
  const network = createVirtioNetwork(transport, DMA, { onBroken })
  machine.add(network)
  return network
}
