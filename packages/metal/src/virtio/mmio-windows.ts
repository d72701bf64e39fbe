/** Where the virtio devices of a machine without a bus are: the hypervisor says so on the command line. */

import { parseDecimal, parseHexadecimal } from '@mirage-ts/core/digits'

const NAME = 'virtio_mmio.device='

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
  // No regular expressions: see @mirage-ts/core/digits.
  for (let at = commandLine.indexOf(NAME); at >= 0; at = commandLine.indexOf(NAME, at + NAME.length)) {
    if (at > 0 && !isSpace(commandLine.charCodeAt(at - 1))) continue
    let end = at
    while (end < commandLine.length && !isSpace(commandLine.charCodeAt(end))) end++
    const window = parseWindow(commandLine.slice(at + NAME.length, end))
    if (window !== undefined) windows.push(window)
  }
  return windows
}

/** `SIZE@ADDRESS:IRQ`, and perhaps `:ID`. */
function parseWindow(text: string): MmioWindow | undefined {
  const sign = text.indexOf('@')
  const parts = text.slice(sign + 1).split(':', 4)
  const [address = '', irqText = '', id = '0'] = parts
  const hasUnit = text.charAt(sign - 1) === 'K' || text.charAt(sign - 1) === 'M'
  const size = parseDecimal(text.slice(0, hasUnit ? sign - 1 : sign), 15)
  const isHexadecimal = address.startsWith('0x') || address.startsWith('0X')
  const base = isHexadecimal ? parseHexadecimal(address.slice(2), 13) : parseDecimal(address, 15)
  const irq = parseDecimal(irqText, 5)
  const isForm = sign > 0 && size !== undefined && parts.length <= 3 && parseDecimal(id, 15) !== undefined
  return isForm && base !== undefined && irq !== undefined ? { base, irq } : undefined
}

function isSpace(c: number): boolean {
  return c === 0x20 || (c >= 0x09 && c <= 0x0d)
}
