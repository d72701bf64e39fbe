/** What firmware says of a bare machine's devices; and its interrupt lines, which go by that. */
import { irqController, irqEnable } from 'mirage:native'
import { type Description, describe, type InterruptLine } from './acpi/description.ts'
import { acpiTables } from './firmware.ts'

/** Lines below are those of the ISA bus, where nothing else is said. */
const ISA_LINES = 16

let description: Description | undefined
let isTold = false

/** What ACPI says of devices; nothing on a machine without. */
export function described(): Description {
  description ??= describe(acpiTables())
  return description
}

/** Lets a line wake the machine. Throws when the machine has no such line. */
export function enableLine({ line, isLevel, isLow }: InterruptLine): void {
  if (!isTold) {
    isTold = true
    // One that is not there is left out: its lines will be missed by who needs them.
    for (const { address, firstLine } of described().controllers) irqController(address, firstLine)
  }
  irqEnable(line, isLevel, isLow)
}

/** The line of a device that is named by a number alone, as on a command line: raised by an edge unless firmware says otherwise. */
export function plainLine(irq: number): InterruptLine {
  return override(irq) ?? { line: irq, isLevel: false, isLow: false }
}

/** The line of a device on PCI, which holds it until it was served; chips turn it round on its way to the ISA bus. */
export function pciLine(irq: number): InterruptLine {
  return override(irq) ?? { line: irq, isLevel: true, isLow: irq >= ISA_LINES }
}

function override(irq: number): InterruptLine | undefined {
  return described().isaLines.find((line) => line.irq === irq)
}
