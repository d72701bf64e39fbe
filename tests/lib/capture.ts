/** What can be read off a capture of classic pcap as tcpdump makes it on this machine: little-endian. */

const FILE_HEADER_LEN = 24
const RECORD_HEADER_LEN = 16

/** Longest frame, as it was before it was cut for the capture, of TCP to `port` and of all the others. */
export function longestFrames(file: Uint8Array, port: number): { readonly toPort: number; readonly fromPort: number } {
  const dv = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let toPort = 0
  let fromPort = 0
  for (let at = FILE_HEADER_LEN; at + RECORD_HEADER_LEN <= file.length; ) {
    const lenBytes = dv.getUint32(at + 12, true)
    const frame = at + RECORD_HEADER_LEN
    const isIpv6 = dv.getUint16(frame + 12) === 0x86dd
    if (dv.getUint16(frame + (isIpv6 ? 56 : 36)) === port) toPort = Math.max(toPort, lenBytes)
    else fromPort = Math.max(fromPort, lenBytes)
    at = frame + dv.getUint32(at + 8, true)
  }
  return { toPort, fromPort }
}
