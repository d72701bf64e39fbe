/** Numbers of the protocol and their names: types, classes, operation codes, response codes (IANA dns-parameters). */

/** Types of resource records. */
export const TYPE = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  X25: 19,
  ISDN: 20,
  RT: 21,
  NSAP: 22,
  SIG: 24,
  KEY: 25,
  PX: 26,
  GPOS: 27,
  AAAA: 28,
  LOC: 29,
  EID: 31,
  NIMLOC: 32,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  HIP: 55,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
  AVC: 258,
} as const

/** Classes; the last two occur in updates and questions only. */
export const CLASS = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const

export const OPCODE = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5 } as const

/** Response codes; those above 15 need EDNS (RFC 6891 §6.1.3), 16 to 18 are also errors inside of TSIG (RFC 8945 §3). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADSIG: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADTRUNC: 22,
  BADCOOKIE: 23,
} as const

/** Options of EDNS. */
export const OPTION = { NSID: 3, COOKIE: 10, PADDING: 12, EDE: 15 } as const

const TYPE_NAMES: ReadonlyMap<number, string> = inverse(TYPE)
const CLASS_NAMES: ReadonlyMap<number, string> = inverse(CLASS)
const RCODE_NAMES: ReadonlyMap<number, string> = inverse(RCODE)

function inverse(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  // Of two names for one number the first stays.
  return new Map(
    Object.entries(table)
      .reverse()
      .map(([name, number]) => [number, name]),
  )
}

/** `AAAA`, or `TYPE12345` (RFC 3597 §5). */
export function typeToString(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`
}

/** Reads what {@link typeToString} writes; `undefined` for anything else. Case does not matter. */
export function parseType(text: string): number | undefined {
  return parseNumbered(text, TYPE, 'TYPE')
}

/** `IN`, or `CLASS12345` (RFC 3597 §5). */
export function classToString(value: number): string {
  return CLASS_NAMES.get(value) ?? `CLASS${value}`
}

export function parseClass(text: string): number | undefined {
  return parseNumbered(text, CLASS, 'CLASS')
}

/** `NXDOMAIN`, or `RCODE123`. */
export function rcodeToString(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`
}

function parseNumbered(text: string, table: Readonly<Record<string, number>>, prefix: string): number | undefined {
  const upper = text.toUpperCase()
  if (Object.hasOwn(table, upper)) return table[upper]
  const digits = upper.startsWith(prefix) ? upper.slice(prefix.length) : ''
  return /^\d{1,5}$/.test(digits) && Number(digits) <= 0xffff ? Number(digits) : undefined
}

/** True for types that only questions and single messages have: no zone can hold them (RFC 6895 §3.1). */
export function isMetaType(type: number): boolean {
  return type === TYPE.OPT || (type >= 128 && type <= 255)
}
