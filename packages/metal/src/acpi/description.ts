/**
 * What the tables say of a machine's devices: where PCI's configuration space is (MCFG), who takes interrupts (MADT), and which virtio
 * devices are on no bus (DSDT). Not here: processors, and everything that needs ACPI's machine code to be run.
 */
import { findMmioDevices, type MmioDevice } from './aml-devices.ts'
import { type AcpiTable, type AcpiTables, getAddress } from './tables.ts'

/** Configuration space of PCI in memory (PCI Firmware 3.3 §4.1.2): 1 MiB for each bus, that of bus 0 at `base`. */
export interface PciRegion {
  readonly base: number
  readonly segment: number
  readonly firstBus: number
  readonly lastBus: number
}

/** An I/O APIC (ACPI 6.5 §5.2.12.3): its lines begin with `firstLine`. */
export interface InterruptController {
  readonly address: number
  readonly firstLine: number
}

/** How a device raises an interrupt line. */
export interface InterruptLine {
  readonly line: number
  readonly isLevel: boolean
  readonly isLow: boolean
}

/** A line of the ISA bus (§5.2.12.5), and what it is to an I/O APIC. */
export interface IsaLine extends InterruptLine {
  readonly irq: number
}

/** What firmware says; of a machine without ACPI, nothing. */
export interface Description {
  readonly pci: readonly PciRegion[]
  readonly controllers: readonly InterruptController[]
  /** The lines of the ISA bus that are not what ISA has them be. */
  readonly isaLines: readonly IsaLine[]
  readonly mmioDevices: readonly MmioDevice[]
}

const LITTLE = true
const MAX_ENTRIES = 64

// §5.2.12, MADT
const MADT_ENTRIES = 44
const MADT_IO_APIC = 1
const MADT_OVERRIDE = 2

// PCI Firmware 3.3 table 4-2, MCFG
const MCFG_ENTRIES = 44
const MCFG_ENTRY_LEN = 16
/** The space of a bus: what addresses are multiples of. */
const BUS_BYTES = 1 << 20

/** Reads what the tables say. */
export function describe({ tables, blocks }: AcpiTables): Description {
  const madt = tables.find(({ signature }) => signature === 'APIC')
  const mcfg = tables.find(({ signature }) => signature === 'MCFG')
  return {
    pci: mcfg === undefined ? [] : pciRegions(mcfg),
    ...interrupts(madt),
    mmioDevices: blocks.flatMap(findMmioDevices).slice(0, MAX_ENTRIES),
  }
}

function pciRegions({ dv, octets }: AcpiTable): readonly PciRegion[] {
  const regions: PciRegion[] = []
  for (let at = MCFG_ENTRIES; at + MCFG_ENTRY_LEN <= octets.length && regions.length < MAX_ENTRIES; ) {
    const region = {
      base: getAddress(dv, at),
      segment: dv.getUint16(at + 8, LITTLE),
      firstBus: dv.getUint8(at + 10),
      lastBus: dv.getUint8(at + 11),
    }
    const isAddress = region.base > 0 && region.base % BUS_BYTES === 0 && Number.isSafeInteger(region.base)
    if (isAddress && region.firstBus <= region.lastBus) regions.push(region)
    at += MCFG_ENTRY_LEN
  }
  return regions
}

function interrupts(madt: AcpiTable | undefined): Pick<Description, 'controllers' | 'isaLines'> {
  const controllers: InterruptController[] = []
  const isaLines: IsaLine[] = []
  if (madt === undefined) return { controllers, isaLines }
  const { dv, octets } = madt
  for (let at = MADT_ENTRIES; at + 2 <= octets.length; ) {
    const type = octets[at] as number
    const lenBytes = octets[at + 1] as number
    if (lenBytes < 2 || at + lenBytes > octets.length) break
    if (type === MADT_IO_APIC && lenBytes >= 12 && controllers.length < MAX_ENTRIES) {
      controllers.push({ address: dv.getUint32(at + 4, LITTLE), firstLine: dv.getUint32(at + 8, LITTLE) })
    } else if (type === MADT_OVERRIDE && lenBytes >= 10 && octets[at + 2] === 0 && isaLines.length < MAX_ENTRIES) {
      // §5.2.12.5: two bits each, 3 is low or level, 1 is high or edge, 0 is as on the bus: high and edge.
      const flags = dv.getUint16(at + 8, LITTLE)
      isaLines.push({
        irq: octets[at + 3] as number,
        line: dv.getUint32(at + 4, LITTLE),
        isLevel: ((flags >> 2) & 3) === 3,
        isLow: (flags & 3) === 3,
      })
    }
    at += lenBytes
  }
  return { controllers, isaLines }
}
