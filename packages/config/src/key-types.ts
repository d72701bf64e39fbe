/** The types a key may have: the parser that reads it at boot, and how generated code names that parser. */

import type { ArgType } from '@mirage-ts/core/boot-args'
import * as bootArgs from '@mirage-ts/core/boot-args'
import type { Ipv4, Ipv4Cidr, Mac, Port } from '@mirage-ts/signatures/addresses'
import type { Duration } from '@mirage-ts/signatures/time'

declare const literal: unique symbol

/** A type of keys with values `T`, whose default is written in config.ts as a `Literal`. */
export interface KeyType<T, Literal extends string | number | boolean> {
  readonly [literal]?: Literal
  readonly arg: ArgType<T>
  /** The expression for `arg` in generated code. */
  readonly code: string
  /** What `code` needs imported from `@mirage-ts/core/boot-args`. */
  readonly imports: readonly string[]
}

function named<T, Literal extends string | number | boolean>(code: string, arg: ArgType<T>): KeyType<T, Literal> {
  return { arg, code, imports: [code] }
}

/** Any text. */
export const string: KeyType<string, string> = named('string', bootArgs.string)
/** A whole number. */
export const int: KeyType<number, number> = named('int', bootArgs.int)
/** A flag. */
export const bool: KeyType<boolean, boolean> = named('bool', bootArgs.bool)
/** An IPv4 address: `10.0.0.1`. */
export const ipv4Address: KeyType<Ipv4, string> = named('ipv4Address', bootArgs.ipv4Address)
/** An IPv4 address with its prefix length: `10.0.0.2/24`. */
export const ipv4Cidr: KeyType<Ipv4Cidr, string> = named('ipv4Cidr', bootArgs.ipv4Cidr)
/** An Ethernet address: `02:00:00:00:00:01`. */
export const macAddress: KeyType<Mac, string> = named('macAddress', bootArgs.macAddress)
/** A TCP or UDP port. */
export const port: KeyType<Port, number> = named('port', bootArgs.port)
/** A span of time with its unit: `500ms`. */
export const duration: KeyType<Duration, string> = named('duration', bootArgs.duration)
/** A number of octets: `4096`, `64KiB`. */
export const byteSize: KeyType<number, string | number> = named('byteSize', bootArgs.byteSize)
/** Log levels per source: `*:info,tcp:debug`. */
export const logLevels: KeyType<string, string> = named('logLevels', bootArgs.logLevels)

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): KeyType<Word, Word> {
  const code = `oneOf(${words.map((word) => JSON.stringify(word)).join(', ')})`
  return { arg: bootArgs.oneOf(...words), code, imports: ['oneOf'] }
}

/** Several values separated by commas; the option may also be repeated. The default is written as text. */
export function listOf<T>(type: KeyType<T, string | number | boolean>): KeyType<readonly T[], string> {
  return { arg: bootArgs.listOf(type.arg), code: `listOf(${type.code})`, imports: ['listOf', ...type.imports] }
}
