/**
 * The virtio devices of a bare machine: first those that the hypervisor names on the command line, in its order, then
 * those that firmware names, then those on PCI.
 */
import { barrier, commandLine, dmaAddress, dmaAlloc } from 'mirage:native'
import { acpiTables, learnPower } from './firmware.ts'
import { described, plainLine } from './machine-description.ts'
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
const problems: string[] = []

/** The devices of one kind (§5). */
export function virtioDevices(deviceId: number): readonly VirtioTransport[] {
  found ??= findDevices()
  return found.filter((transport) => transport.deviceId === deviceId)
}

/** Why a device that somebody looks for may be missing, to be put behind a sentence that says so; empty when nothing is known. */
export function deviceProblems(): string {
  return problems.map((problem) => `; ${problem}`).join('')
}

function findDevices(): readonly VirtioTransport[] {
  // So that the machine can be turned off also when it crashes.
  learnPower()
  const { mmioDevices } = described()
  const places = parseMmioWindows(commandLine).map(({ base, irq }) => ({ base, line: plainLine(irq) }))
  for (const device of mmioDevices) {
    if (!places.some(({ base }) => base === device.base)) places.push({ base: device.base, line: device })
  }
  problems.push(...acpiTables().problems)
  const transports = places.map(({ base, line }) => openMmio(base, line, problems))
  return [...transports.filter((transport) => transport !== undefined), ...openPci(problems)]
}
