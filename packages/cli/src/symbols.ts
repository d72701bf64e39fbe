/** Names of the C functions of a native runtime: what a fault's report says in numbers. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './cache-folder.ts'
import { readLabel, sha256 } from './label.ts'

/** The function that an address is in, and how far: `JS_CallInternal+0x1f`; `undefined` when it is in none. */
export type Symbols = (address: number) => string | undefined

// ELF-64 (System V gABI): header, section header and symbol, offsets.
const E_SHOFF = 40
const E_SHENTSIZE = 58
const E_SHNUM = 60
const SH_TYPE = 4
const SH_OFFSET = 24
const SH_SIZE = 32
const SH_LINK = 40
const SHT_SYMTAB = 2
const SYMBOL_LEN = 24
const ST_INFO = 4
const ST_VALUE = 8
const ST_SIZE = 16
const STT_FUNC = 2

/** Reads the functions of an ELF file that was not stripped. */
export function readSymbols(elf: Uint8Array): Symbols {
  const dv = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const number = (at: number) => Number(dv.getBigUint64(at, true))
  const section = (i: number) => number(E_SHOFF) + i * dv.getUint16(E_SHENTSIZE, true)
  const count = dv.getUint16(E_SHNUM, true)
  const table = Array.from({ length: count }, (_, i) => section(i)).find(
    (at) => dv.getUint32(at + SH_TYPE, true) === SHT_SYMTAB,
  )
  const functions: { readonly start: number; readonly end: number; readonly name: number }[] = []
  const names = table === undefined ? 0 : number(section(dv.getUint32(table + SH_LINK, true)) + SH_OFFSET)
  for (let i = 0; table !== undefined && i < number(table + SH_SIZE) / SYMBOL_LEN; i++) {
    const at = number(table + SH_OFFSET) + i * SYMBOL_LEN
    if ((dv.getUint8(at + ST_INFO) & 15) !== STT_FUNC) continue
    const start = number(at + ST_VALUE)
    functions.push({ start, end: start + number(at + ST_SIZE), name: names + dv.getUint32(at, true) })
  }
  return (address) => {
    const found = functions.find(({ start, end }) => address >= start && address < end)
    if (found === undefined) return undefined
    const name = new TextDecoder().decode(elf.subarray(found.name, elf.indexOf(0, found.name)))
    return `${name}+0x${(address - found.start).toString(16)}`
  }
}

/** The functions of the runtime that an image was made of, if this machine has compiled it and has it still. */
export function findSymbols(image: Uint8Array): Symbols | undefined {
  const parts = readLabel(image)?.bom.components ?? []
  const digest = parts.find(({ name }) => name === 'mirage-runtime')?.hashes?.[0]?.content
  for (const folder of entriesOf(cacheFolder())) {
    for (const name of entriesOf(join(cacheFolder(), folder)).filter((one) => /^runtime-.*\.elf$/.test(one))) {
      const file = join(cacheFolder(), folder, name)
      if (existsSync(`${file}.debug`) && sha256(readFileSync(file)) === digest)
        return readSymbols(readFileSync(`${file}.debug`))
    }
  }
  return undefined
}

/** None of what is no folder, or not there any more. */
function entriesOf(folder: string): string[] {
  return existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder) : []
}
