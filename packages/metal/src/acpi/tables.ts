/**
 * The tables by which firmware describes a machine: where they are, and whether they are whole (ACPI 6.5 §5.2).
 *
 * Tables come from outside and may lie: lengths are bounded, checksums verified, and nothing here throws. What is wrong is
 * said in {@link AcpiTables.problems}, and what cannot be believed is not there.
 */

/** Reads memory that firmware wrote; `undefined` when it is not there, or is not the firmware's. */
export type ReadFirmware = (address: number, lenBytes: number) => Uint8Array | undefined

/** A table with its header; its length and checksum are right. */
export interface AcpiTable {
  /** Four characters, such as `FACP`. */
  readonly signature: string
  readonly octets: Uint8Array
  readonly dv: DataView
}

/** What was found. */
export interface AcpiTables {
  readonly tables: readonly AcpiTable[]
  /** Definition blocks: what follows the header of the DSDT, and of each SSDT. */
  readonly blocks: readonly Uint8Array[]
  /** What was wrong, each in words. */
  readonly problems: readonly string[]
}

/** §5.2.6: signature, length, revision, checksum, and names; the table's own fields follow. */
const TABLE_HEADER_LEN = 36
const LENGTH = 4

// §5.2.5.3, RSDP
const ROOT_SIGNATURE = 'RSD PTR '
const ROOT_REVISION = 15
const ROOT_RSDT = 16
const ROOT_LENGTH = 20
const ROOT_XSDT = 24
const ROOT_LEN_1 = 20
const ROOT_LEN_2 = 36

// §5.2.9, FADT
const FADT_DSDT = 40
const FADT_X_DSDT = 140

/** More than any machine has. */
const MAX_TABLES = 128
const MAX_TABLE_LEN = 1 << 20
/** Of all of them together. */
const MAX_TOTAL_LEN = 4 << 20
const LITTLE = true

/** Reads the tables that somebody here looks at, from the root pointer that the loader gave us. */
export function readAcpiTables(root: Uint8Array, read: ReadFirmware): AcpiTables {
  const problems: string[] = []
  const tables: AcpiTable[] = []
  const list = rootTable(root, read, problems)
  if (list !== undefined) readListed(list, read, tables, problems)
  const fadt = tables.find(({ signature }) => signature === 'FACP')
  const dsdt = fadt && definitionTable(fadt, read, problems)
  const ssdts = tables.filter(({ signature }) => signature === 'SSDT')
  const blocks = (dsdt === undefined ? ssdts : [dsdt, ...ssdts]).map(({ octets }) => octets.subarray(TABLE_HEADER_LEN))
  return { tables, blocks, problems }
}

function readListed(list: AcpiTable, read: ReadFirmware, tables: AcpiTable[], problems: string[]): void {
  const entryLen = list.signature === 'XSDT' ? 8 : 4
  let leftLen = MAX_TOTAL_LEN
  const count = Math.floor((list.octets.length - TABLE_HEADER_LEN) / entryLen)
  if (count > MAX_TABLES) problems.push(`ACPI names ${count} tables: those after the first ${MAX_TABLES} are not read`)
  for (let i = 0; i < Math.min(count, MAX_TABLES); i++) {
    const at = TABLE_HEADER_LEN + i * entryLen
    const address = entryLen === 8 ? getAddress(list.dv, at) : list.dv.getUint32(at, LITTLE)
    const header = read(address, TABLE_HEADER_LEN)
    if (header === undefined || !isWanted(text(header, 0, 4))) continue
    const table = readTable(address, read, problems)
    if (table === undefined) continue
    leftLen -= table.octets.length
    if (leftLen < 0) {
      problems.push(`ACPI's tables are longer than ${MAX_TOTAL_LEN} octets in all`)
      break
    }
    tables.push(table)
  }
}

function isWanted(signature: string): boolean {
  return signature === 'FACP' || signature === 'APIC' || signature === 'MCFG' || signature === 'SSDT'
}

/** The DSDT is the only table that the list does not name. */
function definitionTable({ dv, octets }: AcpiTable, read: ReadFirmware, problems: string[]): AcpiTable | undefined {
  const wide = octets.length >= FADT_X_DSDT + 8 ? getAddress(dv, FADT_X_DSDT) : 0
  const address = wide !== 0 || octets.length < FADT_DSDT + 4 ? wide : dv.getUint32(FADT_DSDT, LITTLE)
  return address === 0 ? undefined : readTable(address, read, problems)
}

/** The table at an address that another table names; `undefined`, and a problem, when it is not whole. */
function readTable(address: number, read: ReadFirmware, problems: string[]): AcpiTable | undefined {
  const header = read(address, TABLE_HEADER_LEN)
  if (header === undefined) {
    problems.push(`ACPI names a table at 0x${address.toString(16)}, where there is none`)
    return undefined
  }
  const signature = printable(text(header, 0, 4))
  const lenBytes = viewOf(header).getUint32(LENGTH, LITTLE)
  const octets = lenBytes < TABLE_HEADER_LEN || lenBytes > MAX_TABLE_LEN ? undefined : read(address, lenBytes)
  if (octets === undefined) problems.push(`ACPI table ${signature} has a wrong length, ${lenBytes}`)
  else if (sum(octets, lenBytes) !== 0) problems.push(`ACPI table ${signature} has a wrong checksum`)
  else return { signature: text(octets, 0, 4), octets, dv: viewOf(octets) }
  return undefined
}

/** An address of 64 bits; beyond what a number holds exactly it is one that nothing can be read at. */
export function getAddress(dv: DataView, off: number): number {
  return dv.getUint32(off, LITTLE) + dv.getUint32(off + 4, LITTLE) * 2 ** 32
}

/** The XSDT, or of firmware older than ACPI 2.0 the RSDT. */
function rootTable(root: Uint8Array, read: ReadFirmware, problems: string[]): AcpiTable | undefined {
  const isRoot = root.length >= ROOT_LEN_1 && text(root, 0, 8) === ROOT_SIGNATURE && sum(root, ROOT_LEN_1) === 0
  if (!isRoot) {
    problems.push('ACPI’s root pointer is none')
    return undefined
  }
  const dv = viewOf(root)
  const isNew = (root[ROOT_REVISION] as number) >= 2 && root.length >= ROOT_LEN_2
  if (isNew && dv.getUint32(ROOT_LENGTH, LITTLE) === ROOT_LEN_2 && sum(root, ROOT_LEN_2) === 0) {
    const address = getAddress(dv, ROOT_XSDT)
    const table = address === 0 ? undefined : readTable(address, read, problems)
    if (table?.signature === 'XSDT') return table
  }
  const table = readTable(dv.getUint32(ROOT_RSDT, LITTLE), read, problems)
  if (table?.signature === 'RSDT') return table
  problems.push('ACPI’s root pointer leads to no list of tables')
  return undefined
}

/** Of `octets[0, end)`, modulo 256: four at a time, as a table may have many thousands. */
function sum(octets: Uint8Array, end: number): number {
  const dv = viewOf(octets)
  let total = 0
  let i = 0
  for (; i + 4 <= end; i += 4) {
    const word = dv.getUint32(i)
    total = (total + (word & 0xff00ff) + ((word >>> 8) & 0xff00ff)) & 0xff00ff
  }
  for (; i < end; i++) total += octets[i] as number
  return (total + (total >>> 16)) & 0xff
}

function text(octets: Uint8Array, off: number, end: number): string {
  let result = ''
  for (let i = off; i < end; i++) result += String.fromCharCode(octets[i] as number)
  return result
}

/** For a message. */
function printable(signature: string): string {
  let result = ''
  for (const char of signature) result += char >= '!' && char <= '~' ? char : '?'
  return result
}

function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
}
