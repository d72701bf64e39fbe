/** How firmware says that a machine is turned off: the FADT, and `_S5` of the DSDT (ACPI 6.5 §4.8.3, §7.4.2). */
import { findSleepTypes } from './aml.ts'
import { type AcpiTable, type AcpiTables, getAddress } from './tables.ts'

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

const LITTLE = true

// ACPI 6.5 table 5.9, FADT
const FADT_SMI_COMMAND = 48
const FADT_ACPI_ENABLE = 52
const FADT_PM1A_CONTROL = 64
const FADT_PM1B_CONTROL = 68
const FADT_FLAGS = 112
const FADT_RESET = 116
const FADT_RESET_VALUE = 128
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

/** Reads what FADT and `_S5` say; `undefined` where there is no FADT. */
export function powerControl({ tables, blocks }: AcpiTables): PowerControl | undefined {
  const fadt = tables.find(({ signature }) => signature === 'FACP')
  if (fadt === undefined || fadt.octets.length < FADT_LEN_1) return undefined
  const { dv, octets } = fadt
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
