/**
 * Two things that are said only in ACPI's machine code (ACPI 6.5 §20): which virtio devices lie in memory, on no bus, and
 * what to write to turn the machine off. The code is not run: both are declarations whose form compilers keep to, and they
 * are looked for as octets. What looks like one and is none costs a look at a register.
 *
 * The code comes from outside and may lie: every length is bounded by what encloses it, every search by the table, and
 * nothing throws.
 */

/** A virtio device in memory (Virtual I/O Device 1.2 §4.2), announced as `LNRO0005`. */
export interface MmioDevice {
  readonly base: number
  readonly lenBytes: number
  /** Its interrupt: a GSI. */
  readonly line: number
  readonly isLevel: boolean
  readonly isLow: boolean
}

// §20.2: op codes
const NAME = 0x08
const BYTE = 0x0a
const WORD = 0x0b
const STRING = 0x0d
const BUFFER = 0x11
const PACKAGE = 0x12
const ROOT = 0x5c
const EXTENDED = 0x5b
const DEVICE = 0x82

const HID = [NAME, ...ascii('_HID'), STRING, ...ascii('LNRO0005'), 0]
const CRS = [NAME, ...ascii('_CRS'), BUFFER]
const S5 = ascii('_S5_')
const S5_DIGIT = 2

/** So far in front of its `_HID` a device may begin: the octets of its head, and of what is declared first. */
const MAX_HEAD = 256
const MAX_DEVICES = 64
/** What is said of a device is shorter. */
const MAX_DEVICE_LEN = 4096

// §6.4: resource descriptors, by their tag
const LARGE = 0x80
const MEMORY_32 = 0x85
const MEMORY_32_FIXED = 0x86
const SPACE_32 = 0x87
const INTERRUPT = 0x89
const SPACE_64 = 0x8a
const END = 0x79
const LITTLE = true

/** The virtio devices that a definition block declares, in its order; `aml` is what follows the table's header. */
export function findMmioDevices(aml: Uint8Array): readonly MmioDevice[] {
  const devices: MmioDevice[] = []
  // 'L' is rare, the octets before it are not.
  const skip = HID.indexOf(0x4c)
  for (let at = find(aml, HID, skip, 0, aml.length); at >= 0 && devices.length < MAX_DEVICES; ) {
    const scope = enclosingDevice(aml, at)
    const device = scope && deviceIn(aml, scope.off, scope.end)
    if (device !== undefined) devices.push(device)
    at = find(aml, HID, skip, at + HID.length, aml.length)
  }
  return devices
}

/** The two sleep types of `_S5`, off (§7.4.2): for PM1a and for PM1b. */
export function findSleepTypes(aml: Uint8Array): readonly [number, number] | undefined {
  for (let at = find(aml, S5, S5_DIGIT, 0, aml.length); at >= 0; at = find(aml, S5, S5_DIGIT, at + 4, aml.length)) {
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

type MemoryWindow = Pick<MmioDevice, 'base' | 'lenBytes'>

interface Part {
  readonly off: number
  readonly end: number
}

/** The innermost device declared in front of `at` that reaches beyond it: where its contents are. */
function enclosingDevice(aml: Uint8Array, at: number): Part | undefined {
  for (let from = at - 2; from >= Math.max(0, at - MAX_HEAD); from--) {
    if (aml[from] !== EXTENDED || aml[from + 1] !== DEVICE) continue
    const body = packageAt(aml, from + 2, aml.length)
    if (body !== undefined && body.off <= at && body.end >= at + HID.length) return body
  }
  return undefined
}

/** What the resources of a device say. */
function deviceIn(aml: Uint8Array, off: number, end: number): MmioDevice | undefined {
  const at = find(aml, CRS, 2, off, Math.min(end, off + MAX_DEVICE_LEN))
  const buffer = at < 0 ? undefined : packageAt(aml, at + CRS.length, end)
  const size = buffer && integerAt(aml, buffer.off, buffer.end)
  if (buffer === undefined || size === undefined) return undefined
  return resources(aml, size.next, Math.min(buffer.end, size.next + size.value))
}

function resources(aml: Uint8Array, start: number, end: number): MmioDevice | undefined {
  const dv = new DataView(aml.buffer, aml.byteOffset, aml.byteLength)
  let memory: MemoryWindow | undefined
  let interrupt: Pick<MmioDevice, 'line' | 'isLevel' | 'isLow'> | undefined
  for (let at = start; at < end; ) {
    const tag = aml[at] as number
    const isLarge = (tag & LARGE) !== 0
    if (tag === END || (isLarge && at + 3 > end)) break
    const headLen = isLarge ? 3 : 1
    const bodyLen = isLarge ? dv.getUint16(at + 1, LITTLE) : tag & 7
    const body = at + headLen
    if (body + bodyLen > end) break
    memory ??= memoryOf(dv, tag, body, bodyLen)
    if (tag === INTERRUPT && bodyLen >= 6 && interrupt === undefined) {
      const flags = dv.getUint8(body)
      interrupt = {
        line: dv.getUint32(body + 2, LITTLE),
        isLevel: (flags & 2) === 0,
        isLow: (flags & 4) !== 0,
      }
    }
    at = body + bodyLen
  }
  return memory === undefined || interrupt === undefined ? undefined : { ...memory, ...interrupt }
}

/** §6.4.3.4 and §6.4.3.5: the descriptors that speak of memory; the first two octets of a space are its kind and flags. */
function memoryOf(dv: DataView, tag: number, at: number, lenBytes: number): MemoryWindow | undefined {
  const u32 = (off: number) => dv.getUint32(at + off, LITTLE)
  const u64 = (off: number) => u32(off) + u32(off + 4) * 2 ** 32
  if (tag === MEMORY_32_FIXED && lenBytes >= 9) return window(u32(1), u32(5))
  if (tag === MEMORY_32 && lenBytes >= 17) return window(u32(1), u32(13))
  const isSpace = (tag === SPACE_32 && lenBytes >= 23) || (tag === SPACE_64 && lenBytes >= 43)
  if (!isSpace || dv.getUint8(at) !== 0) return undefined
  return tag === SPACE_32 ? window(u32(7), u32(19)) : window(u64(11), u64(35))
}

function window(base: number, lenBytes: number): MemoryWindow | undefined {
  return base > 0 && Number.isSafeInteger(base + lenBytes) ? { base, lenBytes } : undefined
}

/** §20.2.4: a length that counts itself, then contents. `undefined` when they reach beyond `end`. */
function packageAt(aml: Uint8Array, off: number, end: number): Part | undefined {
  if (off >= end) return undefined
  const lead = aml[off] as number
  const moreCount = lead >> 6
  if (off + 1 + moreCount > end) return undefined
  let lenBytes = moreCount === 0 ? lead & 0x3f : lead & 0x0f
  for (let i = 0; i < moreCount; i++) lenBytes |= (aml[off + 1 + i] as number) << (4 + 8 * i)
  return lenBytes > moreCount && off + lenBytes <= end ? { off: off + 1 + moreCount, end: off + lenBytes } : undefined
}

/** §20.2.3: a constant. */
function integerAt(
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
function find(aml: Uint8Array, pattern: readonly number[], rare: number, from: number, end: number): number {
  const last = end - pattern.length
  const octet = pattern[rare] as number
  for (let hit = aml.indexOf(octet, from + rare); hit >= 0 && hit - rare <= last; hit = aml.indexOf(octet, hit + 1)) {
    let i = 0
    while (i < pattern.length && aml[hit - rare + i] === pattern[i]) i++
    if (i === pattern.length) return hit - rare
  }
  return -1
}

function ascii(text: string): readonly number[] {
  return Array.from(text, (char) => char.charCodeAt(0))
}
