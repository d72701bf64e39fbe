/** Randomness of a virtual machine: the CPU's own generator, else the hypervisor's entropy device. */

import { entropyAvailable, entropyFill, monotonicUs } from 'mirage:native'
import type { Random } from '@mirage-ts/signatures/random'
import { randomOf } from './random-pool.ts'
import { DEVICE_ID_ENTROPY, VirtioEntropy } from './virtio/entropy.ts'
import { DMA, deviceProblems, virtioDevices } from './virtio-devices.ts'

/** Makes the source. Throws when there is none of the two: nothing that asks for randomness can be trusted then. */
export function createRandom(): Random {
  if (entropyAvailable()) return randomOf(entropyFill)
  const [transport] = virtioDevices(DEVICE_ID_ENTROPY)
  if (transport === undefined) {
    throw new Error(
      `Cannot make a random source: this CPU has neither RDSEED nor RDRAND, and there is no entropy device (QEMU: -cpu max, or -device virtio-rng-pci; on microvm virtio-rng-device)${deviceProblems()}`,
    )
  }
  const device = new VirtioEntropy(transport, DMA, monotonicUs)
  return randomOf((u8, off, end) => device.fill(u8, off, end))
}
