/**
 * Declarations in ACPI's machine code (ACPI 6.5 §20). The code is not run: what is wanted of it are declarations whose form
 * compilers keep to, and they are looked for as octets. What looks like one and is none costs a look at a register.
 *
 * The code comes from outside and may lie: every length is bounded by what encloses it, every search by the table, and
 * nothing throws.
 */

// §20.2: op codes
export const NAME = 0x08
const BYTE = 0x0a
const WORD = 0x0b
const PACKAGE = 0x12
const ROOT = 0x5c

/** A part of a block. */
export interface Part {
  readonly off: number
  readonly end: number
}

/** The two sleep types of `_S5`, off (§7.4.2): for PM1a and for PM1b. */
export function findSleepTypes(aml: Uint8Array): readonly [number, number] | undefined {
  // Here and not above: every image carries this, and starts without it.
  const name = ascii('_S5_')
  const digit = 2
  for (let at = find(aml, name, digit, 0, aml.length); at >= 0; at = find(aml, name, digit, at + 4, aml.length)) {
    const isNamed = aml[at - 1] === NAME || (aml[at - 1] === ROOT && aml[at - 2] === NAME)
    if (!isNamed || aml[at + 4] !== PACKAGE) continue
    const body = packageAt(aml, at + 5, aml.length)
    if (body === undefined) continue
    // The count of elements, then those.
    const first = integerAt(aml, body.off + 1, body.end)
    const second = first && integerAt(aml, first.next, body.end)
    if (first !== undefined) return [first.value, second?.value ?? 0]
  }
  return undefined
}

/** §20.2.4: a length that counts itself, then contents. `undefined` when they reach beyond `end`. */
export function packageAt(aml: Uint8Array, off: number, end: number): Part | undefined {
  if (off >= end) return undefined
  const lead = aml[off] as number
  const moreCount = lead >> 6
  if (off + 1 + moreCount > end) return undefined
  let lenBytes = moreCount === 0 ? lead & 0x3f : lead & 0x0f
  for (let i = 0; i < moreCount; i++) lenBytes |= (aml[off + 1 + i] as number) << (4 + 8 * i)
  return lenBytes > moreCount && off + lenBytes <= end ? { off: off + 1 + moreCount, end: off + lenBytes } : undefined
}

/** §20.2.3: a constant. */
export function integerAt(
  aml: Uint8Array,
  off: number,
  end: number,
): { readonly value: number; readonly next: number } | undefined {
  if (off >= end) return undefined
  const op = aml[off] as number
  if (op <= 1) return { value: op, next: off + 1 }
  if (op === BYTE && off + 1 < end) return { value: aml[off + 1] as number, next: off + 2 }
  if (op !== WORD || off + 2 >= end) return undefined
  return { value: (aml[off + 1] as number) | ((aml[off + 2] as number) << 8), next: off + 3 }
}

/** Where `pattern` next begins; its octet at `rare` is looked for first, by the engine. */
export function find(aml: Uint8Array, pattern: readonly number[], rare: number, from: number, end: number): number {
  const last = end - pattern.length
  const octet = pattern[rare] as number
  for (let hit = aml.indexOf(octet, from + rare); hit >= 0 && hit - rare <= last; hit = aml.indexOf(octet, hit + 1)) {
    let i = 0
    while (i < pattern.length && aml[hit - rare + i] === pattern[i]) i++
    if (i === pattern.length) return hit - rare
  }
  return -1
}

export function ascii(text: string): readonly number[] {
  return Array.from(text, (char) => char.charCodeAt(0))
}
