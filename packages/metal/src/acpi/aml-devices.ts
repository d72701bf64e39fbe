/** The virtio devices in memory, on no bus, that ACPI's machine code declares (ACPI 6.5 §6.4, §20). */
import { ascii, find, integerAt, NAME, type Part, packageAt } from './aml.ts'

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
const STRING = 0x0d
const BUFFER = 0x11
const EXTENDED = 0x5b
const DEVICE = 0x82

const HID = [NAME, ...ascii('_HID'), STRING, ...ascii('LNRO0005'), 0]
const CRS = [NAME, ...ascii('_CRS'), BUFFER]

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

type MemoryWindow = Pick<MmioDevice, 'base' | 'lenBytes'>

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
