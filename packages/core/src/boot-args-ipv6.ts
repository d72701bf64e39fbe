/** IPv6 types of boot arguments (RFC 4291 §2.2), in a file of their own: an image without IPv6 does not carry them. */
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import { parseIpv4 } from './addresses.ts'
import type { ArgType } from './boot-args.ts'

/** An interface's own address and the length of its network's prefix. */
export interface Ipv6Cidr {
  readonly address: Ipv6
  /** 0 to 128. */
  readonly prefixBits: number
}

/** An IPv6 address. */
export const ipv6Address: ArgType<Ipv6> = { wanted: 'an IPv6 address like fd00::2', meta: 'IP', parse: parseIpv6 }

/** An IPv6 address with the length of its network's prefix. */
export const ipv6Cidr: ArgType<Ipv6Cidr> = {
  wanted: 'an IPv6 address with its prefix length like fd00::2/64',
  meta: 'IP/BITS',
  parse(text) {
    const [, addressText = '', bits = ''] = /^(.*)\/(\d{1,3})$/.exec(text) ?? []
    const address = parseIpv6(addressText)
    return address === undefined || Number(bits) > 128 ? undefined : { address, prefixBits: Number(bits) }
  },
}

const GROUP_COUNT = 8

/** Reads the text of an address: groups of hex digits, `::` for a run of zeros, dotted decimal at the end. */
function parseIpv6(text: string): Ipv6 | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = GROUP_COUNT - head.length - tail.length
  // "::" stands for one group at least.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  let value = 0n
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail]) value = (value << 16n) | BigInt(group)
  return value as Ipv6
}

/** The 16-bit groups of a run without `::`; only the last run of an address may end in dotted decimal. */
function groupsOf(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else {
      const ipv4 = isLast && i === parts.length - 1 ? parseIpv4(part) : undefined
      if (ipv4 === undefined) return undefined
      groups.push(ipv4 >>> 16, ipv4 & 0xffff)
    }
  }
  return groups
}
