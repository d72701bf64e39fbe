/** The disks of a bare machine, by the names that the hypervisor gives them. */
import type { Block } from '@mirage-ts/signatures/block'
import { machine } from './machine.ts'
import { createVirtioBlock, DEVICE_ID_BLOCK } from './virtio/blk.ts'
import { DMA, deviceProblems, virtioDevices } from './virtio-devices.ts'

export interface BlockOptions {
  /** The disk's name: QEMU's `serial`. */
  readonly name: string
  /** Its place among the disks, from 0, where none of them has a name. */
  readonly index: number
}

interface Disk {
  readonly name: string
  readonly block: Block
}

let disks: Promise<readonly Disk[]> | undefined

/** The disk of this name, or where disks have no names, the one at this place. Rejects when the machine has no such disk. */
export async function createBlock(
  _deps: Readonly<Record<string, never>>,
  { name, index }: BlockOptions,
): Promise<Block> {
  disks ??= startDisks()
  const found = await disks
  const isNamed = found.some((disk) => disk.name !== '')
  const disk = isNamed ? found.find((candidate) => candidate.name === name) : found[index]
  if (disk !== undefined) return disk.block
  const names = found.map((other, i) => other.name || String(i)).join(', ')
  throw new Error(
    `Cannot find disk ${name}: the machine has ${names || 'none'} (mirage run --block ${name}=FILE)${deviceProblems()}`,
  )
}

async function startDisks(): Promise<readonly Disk[]> {
  const started: Disk[] = []
  for (const transport of virtioDevices(DEVICE_ID_BLOCK)) {
    const disk = createVirtioBlock(transport, DMA)
    machine.add(disk.polled)
    started.push({ name: await disk.readId(), block: disk.block })
  }
  return started
}
