/** What the firmware of a bare machine says of it, read once, when somebody first asks. */
import { acpiRoot, firmwareRead, mmioMap, portRead16, resetBy, stopBy8, stopBy16, stopBy32 } from 'mirage:native'
import { type PowerControl, powerControl, type RegisterWrite } from './acpi/power.ts'
import { type AcpiTables, readAcpiTables } from './acpi/tables.ts'

// ACPI 6.5 §4.8.3.2.1: PM1 control
const CONTROL_ENABLED = 1
const CONTROL_SLEEP_MASK = 0x3c00
const CONTROL_SLEEP_SHIFT = 10
const CONTROL_SLEEP = 1 << 13

let tables: AcpiTables | undefined
let isPowerKnown = false

/** ACPI's tables; none on a machine without. */
export function acpiTables(): AcpiTables {
  if (tables !== undefined) return tables
  const root = acpiRoot()
  tables =
    root === undefined
      ? { tables: [], blocks: [], problems: [] }
      : readAcpiTables(new Uint8Array(root), (address, lenBytes) => {
          if (!Number.isSafeInteger(address) || !mmioMap(address, lenBytes)) return undefined
          const octets = new Uint8Array(lenBytes)
          return firmwareRead(address, octets, 0, lenBytes) ? octets : undefined
        })
  return tables
}

/** Tells the C layer how this machine is turned off, and how it is reset; where it cannot be turned off it stops by a reset. */
export function learnPower(): void {
  if (isPowerKnown) return
  isPowerKnown = true
  const power = powerControl(acpiTables())
  if (power === undefined) return
  for (const { isPort, address, value, width } of offWrites(power)) {
    if (!isPort && !mmioMap(address, width)) continue
    const stopBy = width === 1 ? stopBy8 : width === 2 ? stopBy16 : stopBy32
    stopBy(isPort, address, value)
  }
  const { reset } = power
  if (reset !== undefined && (reset.isPort || mmioMap(reset.address, reset.width))) {
    resetBy(reset.isPort, reset.address, reset.value)
  }
}

function offWrites({ enable, control, sleep }: PowerControl): readonly RegisterWrite[] {
  const writes: RegisterWrite[] = []
  if (sleep !== undefined) writes.push(sleep)
  for (const { port, sleepType } of control) {
    const now = portRead16(port)
    if ((now & CONTROL_ENABLED) === 0 && enable !== undefined && writes.length === 0) writes.push(enable)
    const other = (now & ~(CONTROL_SLEEP_MASK | CONTROL_SLEEP)) | CONTROL_ENABLED
    const value = other | (sleepType << CONTROL_SLEEP_SHIFT) | CONTROL_SLEEP
    writes.push({ isPort: true, address: port, width: 2, value })
  }
  return writes
}
