/** Where the virtio devices of a machine without a bus are: the hypervisor says so on the command line. */

/** A window of registers and its interrupt line. */
export interface MmioWindow {
  readonly base: number
  readonly irq: number
}

/**
 * The windows that a kernel command line names, in its order: `virtio_mmio.device=SIZE@ADDRESS:IRQ`, the form that QEMU's
 * microvm and Firecracker append. Words that do not have the form are left out.
 */
export function parseMmioWindows(commandLine: string): readonly MmioWindow[] {
  const windows: MmioWindow[] = []
  const form = /(?:^|\s)virtio_mmio\.device=\d+[KM]?@(0x[0-9a-f]+|\d+):(\d+)(?::\d+)?(?=\s|$)/gi
  for (const match of commandLine.matchAll(form)) windows.push({ base: Number(match[1]), irq: Number(match[2]) })
  return windows
}
