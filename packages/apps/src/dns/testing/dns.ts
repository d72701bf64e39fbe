/** What tests of DNS have in common: zones from text, questions as words, answers as lines. */
import type { Endpoint, Ipv4, Port } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { MonotonicClock, WallClock, WallInstant } from '@mirage-ts/signatures/time'
import { NOBODY, type ZonePolicy } from '../server/policy.ts'
import { ServerCore } from '../server/server-core.ts'
import type { ServerCoreOptions } from '../server/server-options.ts'
import { FLAG, formatRr, type Message, type MessageParts, parseMessage, writeMessage } from '../wire/message.ts'
import { dnsName, nameKey } from '../wire/name.ts'
import { parseType, rcodeToString } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import { buildZone } from '../zone/build-zone.ts'
import type { Zone } from '../zone/zone.ts'
import { parseZoneFile } from '../zone/zone-file.ts'

/** 2023-11-14T22:13:20Z. */
export const WALL_SECONDS = 1_700_000_000
export const WALL_CLOCK: WallClock = { now: () => (WALL_SECONDS * 1e6) as WallInstant }

export const CLIENT: Endpoint = { address: 0xc0000202 as Ipv4, port: 5353 as Port }

export async function zoneOf(origin: string, text: string): Promise<Zone> {
  const name = dnsName(origin)
  const zone = buildZone(name, await parseZoneFile(text, { file: `${origin}.zone`, origin: name }))
  if (typeof zone === 'string') throw new Error(zone)
  return zone
}

export function coreOf(
  deps: { readonly random: Random; readonly clock: MonotonicClock; readonly wallClock?: WallClock },
  zones: readonly Zone[],
  { policy, ...options }: ServerCoreOptions & { readonly policy?: Partial<ZonePolicy> } = {},
): ServerCore {
  const core = new ServerCore({ wallClock: WALL_CLOCK, ...deps }, { ratePerSecond: 0, ...options })
  for (const zone of zones) {
    core.setZone(zone.origin, zone, { transferTo: NOBODY, updateFrom: NOBODY, notifyFrom: NOBODY, ...policy })
  }
  return core
}

/** The octets of a message. */
export function wire(parts: MessageParts): Uint8Array {
  const writer = new WireWriter(65535)
  return writer.u8.slice(0, writeMessage(writer, parts))
}

/** A query like `www.example.com A`. */
export function query(text: string, parts: Partial<MessageParts> = {}): Uint8Array {
  const [name = '', type = ''] = text.split(' ')
  return wire({ id: 4711, questions: [{ name: dnsName(name), type: parseType(type) as number, class: 1 }], ...parts })
}

/** The reply as a message; `undefined` when there is none. */
export function exchange(
  core: ServerCore,
  octets: Uint8Array,
  { isTcp = false, from = CLIENT } = {},
): Message | undefined {
  const length = core.handle(octets, from, isTcp)
  if (length === 0) return undefined
  const message = parseMessage(core.frame.u8.slice(0, length))
  if (typeof message === 'string') throw new Error(`The reply is malformed: ${message}`)
  return message
}

/** A reply as lines: code and flags, then the records of each section behind `an`, `ns` or `ar`. */
export function lines(message: Message | undefined): string[] {
  if (message === undefined) return []
  const flags = [
    [FLAG.AUTHORITATIVE, 'aa'],
    [FLAG.TRUNCATED, 'tc'],
  ] as const
  const words = flags.filter(([bit]) => (message.flags & bit) !== 0).map(([, word]) => word)
  return [
    [rcodeToString(message.rcode), ...words].join(' '),
    ...message.answers.map((rr) => `an ${formatRr(rr)}`),
    ...message.authorities.map((rr) => `ns ${formatRr(rr)}`),
    ...message.additionals.map((rr) => `ar ${formatRr(rr)}`),
  ]
}

export const EXAMPLE_KEY_NAME = nameKey(dnsName('key.example'))
