/** Domain names in DHCP options: the encoding of DNS, never compressed (RFC 1035 §3.1, RFC 8415 §10, RFC 4702 §2.3.1). */

/** What we take from a network into a host's or domain's name: the rest would be trouble in logs and files. */
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/
const MAX_LABEL_LEN = 63
const MAX_NAME_LEN = 253

/**
 * The names in `u8[off, end)`, without a final dot; `undefined` when labels run over the end. One with octets that are not
 * plain is left out. `mayBePartial`: the last one may end without the root's label (RFC 4704 §4.2).
 */
export function readDomains(u8: Uint8Array, off: number, end: number, mayBePartial = false): string[] | undefined {
  const names: string[] = []
  let labels: string[] = []
  const close = (): void => {
    const name = labels.join('.')
    if (domainProblem(name) === undefined) names.push(name)
    labels = []
  }
  while (off < end) {
    const len = u8[off++] as number
    if (len === 0) {
      close()
      continue
    }
    if (len > MAX_LABEL_LEN || off + len > end) return undefined
    labels.push(String.fromCharCode(...u8.subarray(off, off + len)))
    off += len
  }
  if (labels.length > 0 && !mayBePartial) return undefined
  close()
  return names
}

/** Writes `name` at `off`, where there is room for its length and two octets; returns where it ends. */
export function writeDomain(u8: Uint8Array, off: number, name: string, isPartial: boolean): number {
  for (const label of name.split('.')) {
    u8[off++] = label.length
    for (let i = 0; i < label.length; i++) u8[off++] = label.charCodeAt(i)
  }
  if (!isPartial) u8[off++] = 0
  return off
}

/** Says what is wrong with a domain to be put into an option, or nothing. */
export function domainProblem(name: string): string | undefined {
  const labels = name.split('.')
  return name.length <= MAX_NAME_LEN && labels.every((label) => label.length <= MAX_LABEL_LEN && LABEL.test(label))
    ? undefined
    : 'expected letters, digits and hyphens, with dots between labels of at most 63'
}
