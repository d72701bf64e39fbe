/** PCI's configuration space in memory (PCI Express Base 3.0 §7.2.2): 4 KiB for each function, 1 MiB for each bus. */
import type { PciConfig } from './pci-bus.ts'

/** The region that firmware names: that of bus 0 would be at `base`. */
export interface EcamRegion {
  readonly base: number
  readonly firstBus: number
  readonly lastBus: number
}

const FUNCTION_BYTES = 4096

/** Configuration space of these buses; others read as all ones, as if nothing were there. */
export function createEcam(
  { base, firstBus, lastBus }: EcamRegion,
  read32: (address: number) => number,
  write32: (address: number, value: number) => void,
): PciConfig {
  const isHere = (device: number) => device >> 8 >= firstBus && device >> 8 <= lastBus
  return {
    read32: (device, off) => (isHere(device) ? read32(base + device * FUNCTION_BYTES + off) : 0xffff_ffff),
    write32(device, off, value) {
      if (isHere(device)) write32(base + device * FUNCTION_BYTES + off, value)
    },
  }
}
