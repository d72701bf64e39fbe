/** The types a key may have: the parser that reads it, and how generated code names that parser and the value's type. */

import type { ArgType } from '@mirage-ts/core/boot-args'
import * as bootArgs from '@mirage-ts/core/boot-args'
import * as ipv6 from '@mirage-ts/core/boot-args-ipv6'
import type { IpAddress, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr, Mac, Port } from '@mirage-ts/signatures/addresses'
import type { Duration } from '@mirage-ts/signatures/time'

declare const literal: unique symbol

/** A value that is written into generated code as it is. */
export type Constant = string | number | boolean

/** A type of keys with values `T`, whose default is written in config.ts as a `Literal`. */
export interface KeyType<T, Literal extends Constant> {
  readonly [literal]?: Literal
  readonly arg: ArgType<T>
  /** The expression for `arg` in generated code. */
  readonly code: string
  /** What `code` needs: exports by module. */
  readonly imports: readonly ParserImport[]
  /** The TypeScript type of the values. */
  readonly valueType: string
}

/** An export that generated code imports. */
export interface ParserImport {
  readonly from: string
  readonly name: string
}

const PARSERS = '@mirage-ts/core/boot-args'
const IPV6_PARSERS = '@mirage-ts/core/boot-args-ipv6'

function named<T, Literal extends Constant>(
  code: string,
  valueType: string,
  arg: ArgType<T>,
  from = PARSERS,
): KeyType<T, Literal> {
  return { arg, code, valueType, imports: [{ from, name: code }] }
}

function address(name: string): string {
  return `import('@mirage-ts/signatures/addresses').${name}`
}

/** Any text. */
export const string: KeyType<string, string> = named('string', 'string', bootArgs.string)
/** A whole number. */
export const int: KeyType<number, number> = named('int', 'number', bootArgs.int)
/** A number: `0.25`. */
export const float: KeyType<number, number> = named('float', 'number', bootArgs.float)
/** A flag. */
export const bool: KeyType<boolean, boolean> = named('bool', 'boolean', bootArgs.bool)
/** An IPv4 address: `10.0.0.1`. */
export const ipv4Address: KeyType<Ipv4, string> = named('ipv4Address', address('Ipv4'), bootArgs.ipv4Address)
/** An IPv4 address with its prefix length: `10.0.0.2/24`. */
export const ipv4Cidr: KeyType<Ipv4Cidr, string> = named('ipv4Cidr', address('Ipv4Cidr'), bootArgs.ipv4Cidr)
/** An IPv6 address: `2001:db8::1`. */
export const ipv6Address: KeyType<Ipv6, string> = named('ipv6Address', address('Ipv6'), ipv6.ipv6Address, IPV6_PARSERS)
/** An IPv6 address with its prefix length: `fd00::2/64`. */
export const ipv6Cidr: KeyType<Ipv6Cidr, string> = named('ipv6Cidr', address('Ipv6Cidr'), ipv6.ipv6Cidr, IPV6_PARSERS)
/** An address of either version. */
export const ipAddress: KeyType<IpAddress, string> = named(
  'ipAddress',
  address('IpAddress'),
  ipv6.ipAddress,
  IPV6_PARSERS,
)
/** An Ethernet address: `02:00:00:00:00:01`. */
export const macAddress: KeyType<Mac, string> = named('macAddress', address('Mac'), bootArgs.macAddress)
/** A TCP or UDP port. */
export const port: KeyType<Port, number> = named('port', address('Port'), bootArgs.port)
/** A span of time with its unit: `500ms`. */
export const duration: KeyType<Duration, string> = named(
  'duration',
  "import('@mirage-ts/signatures/time').Duration",
  bootArgs.duration,
)
/** A number of octets: `4096`, `64KiB`. */
export const byteSize: KeyType<number, string | number> = named('byteSize', 'number', bootArgs.byteSize)
/** Log levels per source: `*:info,tcp:debug`. */
export const logLevels: KeyType<string, string> = named('logLevels', 'string', bootArgs.logLevels)

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): KeyType<Word, Word> {
  const quoted = words.map((word) => JSON.stringify(word))
  return {
    arg: bootArgs.oneOf(...words),
    code: `oneOf(${quoted.join(', ')})`,
    imports: [{ from: PARSERS, name: 'oneOf' }],
    valueType: quoted.join(' | '),
  }
}

/** Several values separated by commas; the option may also be repeated. The default is written as text. */
export function listOf<T>(type: KeyType<T, Constant>): KeyType<readonly T[], string> {
  return {
    arg: bootArgs.listOf(type.arg),
    code: `listOf(${type.code})`,
    imports: [{ from: PARSERS, name: 'listOf' }, ...type.imports],
    valueType: `readonly (${type.valueType})[]`,
  }
}
