/**
 * What the tables say of a machine: where PCI's configuration space is (MCFG), who takes interrupts (MADT), how to turn it
 * off (FADT and `_S5`), and the virtio devices that are on no bus (DSDT). Not here: processors, power states but off,
 * everything that needs ACPI's machine code to be run.
 */
import { findMmioDevices, findSleepTypes, type MmioDevice } from './aml.ts'
import { type AcpiTable, getAddress, type ReadFirmware, readAcpiTables, readTable, TABLE_HEADER_LEN } from './tables.ts'

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

/** A register and what to write there. */
export interface RegisterWrite {
  readonly isPort: boolean
  readonly address: number
  /** Octets. */
  readonly width: 1 | 2 | 4
  readonly value: number
}

/** How firmware says the machine is turned off, and else restarted. */
export interface PowerControl {
  /** Fixed hardware: what to write to SMI_CMD when ACPI's mode is off, and the control registers of PM1 with their sleep type. */
  readonly enable: RegisterWrite | undefined
  readonly control: readonly { readonly port: number; readonly sleepType: number }[]
  /** Hardware-reduced machines have one register. */
  readonly sleep: RegisterWrite | undefined
  readonly reset: RegisterWrite | undefined
}

/** What firmware says; of a machine without ACPI, nothing. */
export interface Description {
  readonly pci: readonly PciRegion[]
  readonly controllers: readonly InterruptController[]
  /** The lines of the ISA bus, by their number there, that are not what ISA has them be. */
  readonly isaLines: ReadonlyMap<number, InterruptLine>
  readonly mmioDevices: readonly MmioDevice[]
  readonly power: PowerControl | undefined
  readonly problems: readonly string[]
}

const LITTLE = true
const MAX_ENTRIES = 64

// ACPI 6.5 table 5.9, FADT
const FADT_DSDT = 40
const FADT_SMI_COMMAND = 48
const FADT_ACPI_ENABLE = 52
const FADT_PM1A_CONTROL = 64
const FADT_PM1B_CONTROL = 68
const FADT_FLAGS = 112
const FADT_RESET = 116
const FADT_RESET_VALUE = 128
const FADT_X_DSDT = 140
const FADT_X_PM1A_CONTROL = 172
const FADT_X_PM1B_CONTROL = 184
const FADT_SLEEP_CONTROL = 244
const FADT_LEN_1 = 116
const FLAG_RESET = 1 << 10
const FLAG_HARDWARE_REDUCED = 1 << 20
const SPACE_MEMORY = 0
const SPACE_PORT = 1
const GENERIC_ADDRESS_LEN = 12

/** §4.8.3.7: sleep control register, SLP_EN and where SLP_TYP is. */
const SLEEP_ENABLE = 0x20
const SLEEP_TYPE_SHIFT = 2

// §5.2.12, MADT
const MADT_ENTRIES = 44
const MADT_IO_APIC = 1
const MADT_OVERRIDE = 2

// PCI Firmware 3.3 table 4-2, MCFG
const MCFG_ENTRIES = 44
const MCFG_ENTRY_LEN = 16

const WANTED = ['FACP', 'APIC', 'MCFG', 'SSDT']

/** Reads what the tables say, from the root pointer on. */
export function describe(root: Uint8Array, read: ReadFirmware): Description {
  const { tables, problems: found } = readAcpiTables(root, read, WANTED)
  const problems = [...found]
  const madt = tables.find(({ signature }) => signature === 'APIC')
  const mcfg = tables.find(({ signature }) => signature === 'MCFG')
  const fadt = tables.find(({ signature }) => signature === 'FACP')
  const definitions = tables.filter(({ signature }) => signature === 'SSDT')
  const dsdt = fadt && definitionTable(fadt, read, problems)
  if (dsdt !== undefined) definitions.unshift(dsdt)
  const blocks = definitions.map(({ octets }) => octets.subarray(TABLE_HEADER_LEN))
  return {
    pci: mcfg === undefined ? [] : pciRegions(mcfg),
    ...interrupts(madt),
    mmioDevices: blocks.flatMap(findMmioDevices).slice(0, MAX_ENTRIES),
    power: fadt && powerControl(fadt, blocks),
    problems,
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
    if (region.base > 0 && Number.isSafeInteger(region.base) && region.firstBus <= region.lastBus) regions.push(region)
    at += MCFG_ENTRY_LEN
  }
  return regions
}

function interrupts(madt: AcpiTable | undefined): Pick<Description, 'controllers' | 'isaLines'> {
  const controllers: InterruptController[] = []
  const isaLines = new Map<number, InterruptLine>()
  if (madt === undefined) return { controllers, isaLines }
  const { dv, octets } = madt
  for (let at = MADT_ENTRIES; at + 2 <= octets.length; ) {
    const type = octets[at] as number
    const lenBytes = octets[at + 1] as number
    if (lenBytes < 2 || at + lenBytes > octets.length) break
    if (type === MADT_IO_APIC && lenBytes >= 12 && controllers.length < MAX_ENTRIES) {
      controllers.push({ address: dv.getUint32(at + 4, LITTLE), firstLine: dv.getUint32(at + 8, LITTLE) })
    } else if (type === MADT_OVERRIDE && lenBytes >= 10 && octets[at + 2] === 0) {
      // §5.2.12.5: two bits each, 3 is low or level, 1 is high or edge, 0 is as on the bus: high and edge.
      const flags = dv.getUint16(at + 8, LITTLE)
      const how = { line: dv.getUint32(at + 4, LITTLE), isLevel: ((flags >> 2) & 3) === 3, isLow: (flags & 3) === 3 }
      isaLines.set(octets[at + 3] as number, how)
    }
    at += lenBytes
  }
  return { controllers, isaLines }
}

/** The DSDT is the only table that the list does not name. */
function definitionTable({ dv, octets }: AcpiTable, read: ReadFirmware, problems: string[]): AcpiTable | undefined {
  const wide = octets.length >= FADT_X_DSDT + 8 ? getAddress(dv, FADT_X_DSDT) : 0
  const address = wide !== 0 || octets.length < FADT_DSDT + 4 ? wide : dv.getUint32(FADT_DSDT, LITTLE)
  return address === 0 ? undefined : readTable(address, read, problems)
}

function powerControl(fadt: AcpiTable, blocks: readonly Uint8Array[]): PowerControl | undefined {
  const { dv, octets } = fadt
  if (octets.length < FADT_LEN_1) return undefined
  const flags = dv.getUint32(FADT_FLAGS, LITTLE)
  const hasReset = (flags & FLAG_RESET) !== 0 && octets.length > FADT_RESET_VALUE
  const reset = hasReset ? genericRegister(fadt, FADT_RESET, octets[FADT_RESET_VALUE] as number) : undefined
  const nothing = { enable: undefined, control: [], sleep: undefined, reset }
  let types: readonly [number, number] | undefined
  for (const block of blocks) types ??= findSleepTypes(block)
  if (types === undefined) return nothing
  if ((flags & FLAG_HARDWARE_REDUCED) !== 0) {
    const value = SLEEP_ENABLE | ((types[0] & 7) << SLEEP_TYPE_SHIFT)
    return { ...nothing, sleep: genericRegister(fadt, FADT_SLEEP_CONTROL, value) }
  }
  const command = dv.getUint32(FADT_SMI_COMMAND, LITTLE)
  const value = dv.getUint8(FADT_ACPI_ENABLE)
  const hasEnable = command > 0 && command <= 0xffff && value > 0
  const control: { port: number; sleepType: number }[] = []
  for (const [i, off, wideOff] of [
    [0, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL],
    [1, FADT_PM1B_CONTROL, FADT_X_PM1B_CONTROL],
  ] as const) {
    const wide = genericRegister(fadt, wideOff, 0)
    const port = wide?.isPort === true ? wide.address : dv.getUint32(off, LITTLE)
    if (port > 0 && port <= 0xffff) control.push({ port, sleepType: types[i] & 7 })
  }
  return { ...nothing, enable: hasEnable ? { isPort: true, address: command, width: 1, value } : undefined, control }
}

/** §5.2.3.2: an address of any kind, of a register of 8 bits. */
function genericRegister({ dv, octets }: AcpiTable, off: number, value: number): RegisterWrite | undefined {
  if (off + GENERIC_ADDRESS_LEN > octets.length) return undefined
  const space = octets[off] as number
  const address = getAddress(dv, off + 4)
  if (address === 0 || (space !== SPACE_MEMORY && space !== SPACE_PORT)) return undefined
  if (space === SPACE_PORT ? address > 0xffff : !Number.isSafeInteger(address)) return undefined
  return { isPort: space === SPACE_PORT, address, width: 1, value }
}
