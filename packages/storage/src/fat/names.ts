/** Names of files on FAT: the short ones of 8 and 3 characters, the long ones in UTF-16, and what neither may have. */

/** fatgen "Long Directory Entries": at most 255 UTF-16 units. */
const MAX_NAME_UNITS = 255

/** Code page 437 from 0x80 on, as short names of other systems are nearly always written. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0'

/** Names that are devices on the systems FAT comes from. */
const RESERVED = /^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)/i

/** Why `name` cannot be the name of a file, or `undefined` when it can. */
export function nameProblem(name: string): string | undefined {
  if (name.length > MAX_NAME_UNITS) return `a name of more than ${MAX_NAME_UNITS} characters`
  if (/["*:<>?\\|]/.test(name) || /[^ -\uffff]/.test(name)) return 'a character that FAT does not take'
  if (/[. ]$/.test(name)) return 'a dot or a space at the end, which FAT drops'
  if (/^ /.test(name)) return 'a space in front'
  if (RESERVED.test(name)) return 'a name that other systems take for a device'
  return undefined
}

/** Names equal but for case are one name. */
export function foldName(name: string): string {
  return name.toUpperCase()
}

/** The name of a short entry: `u8[off, off + 11)`, and the octet that says which parts are lowercase (Windows NT). */
export function parseShortName(u8: Uint8Array, off: number, caseFlags: number): string {
  const part = (from: number, end: number, isLower: boolean): string => {
    let text = ''
    for (let i = from; i < end; i++) {
      // fatgen: 0x05 stands for 0xe5, which would mark a free entry.
      const octet = i === off && u8[i] === 0x05 ? 0xe5 : (u8[i] as number)
      text += octet < 0x80 ? String.fromCharCode(octet) : CP437.charAt(octet - 0x80)
    }
    text = text.trimEnd()
    return isLower ? text.toLowerCase() : text
  }
  const base = part(off, off + 8, (caseFlags & 0x08) !== 0)
  const extension = part(off + 8, off + 11, (caseFlags & 0x10) !== 0)
  return extension === '' ? base : `${base}.${extension}`
}

/** The eleven characters of `name` when it can be written as a short name alone. */
export function exactShortName(name: string): string | undefined {
  const match = /^([A-Z0-9!#$%&'()@^_`{}~-]{1,8})(?:\.([A-Z0-9!#$%&'()@^_`{}~-]{1,3}))?$/.exec(name)
  return match === null ? undefined : (match[1] as string).padEnd(8) + (match[2] ?? '').padEnd(3)
}

/** A short name for a long one that none of `taken` (eleven characters each) equals. */
export function makeShortName(name: string, taken: ReadonlySet<string>): string {
  const dot = name.lastIndexOf('.')
  const clean = (text: string): string =>
    text
      .toUpperCase()
      .replaceAll(/[ .]/g, '')
      .replaceAll(/[^A-Z0-9!#$%&'()@^_`{}~-]/g, '_')
  const base = clean(dot > 0 ? name.slice(0, dot) : name) || '_'
  const extension = (dot > 0 ? clean(name.slice(dot + 1)) : '').slice(0, 3).padEnd(3)
  const at = (stem: string, n: number): string => {
    const tail = `~${n}`
    return (stem.slice(0, 8 - tail.length) + tail).padEnd(8) + extension
  }
  for (let n = 1; n <= 4; n++) if (!taken.has(at(base, n))) return at(base, n)
  // With many names that begin alike, a hash tells them apart at once, as Windows does.
  for (let salt = 0; ; salt++) {
    let hash = salt
    for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) >>> 0
    const stem = base.slice(0, 2) + (hash & 0xffff).toString(16).toUpperCase().padStart(4, '0')
    for (let n = 1; n <= 9; n++) if (!taken.has(at(stem, n))) return at(stem, n)
  }
}
