/**
 * The zones of a server from a store: each file `NAME.zone` is a zone of that name, or `dns.json` says which there are,
 * who may transfer and update them, and from where they come. docs/dns.md describes it.
 */
import { isIpv4, parseIp, parseIpv4Cidr, parseIpv6Cidr, port } from '@mirage-ts/core/addresses'
import { KvError, messageOf } from '@mirage-ts/core/errors'
import { octetsToText } from '@mirage-ts/core/octets'
import { utf8Decode } from '@mirage-ts/core/utf8'
import type { Endpoint, IpAddress, Ipv4Cidr, Ipv6Cidr } from '@mirage-ts/signatures/addresses'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Random } from '@mirage-ts/signatures/random'
import { isName, type NameKey, nameKey, nameToString, parseName } from '../wire/name.ts'
import { parseBase64 } from '../wire/text.ts'
import { type TsigKey, tsigKey } from '../wire/tsig.ts'
import { ZoneBuilder } from '../zone/build-zone.ts'
import type { Zone } from '../zone/zone.ts'
import { readZoneFile, ZoneFileError } from '../zone/zone-file.ts'
import { type Access, NOBODY } from './policy.ts'
import type { DnsView, ServedZone } from './server.ts'

const CONFIG_FILE = 'dns.json'
const ZONE_SUFFIX = '.zone'
const DNS_PORT = 53

/** What the store says. */
export interface DnsConfig {
  readonly zones: readonly ServedZone[]
  readonly views: readonly DnsView[]
  readonly keys: readonly TsigKey[]
}

/** A configuration that cannot be used: what, where, what to do. */
export class DnsConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DnsConfigError'
  }
}

/** Reads zones and keys; `random` is for the order of names in memory, which nobody shall foresee. Rejects with a {@link DnsConfigError} or a {@link ZoneFileError}. */
export async function loadDnsConfig(store: KvRo, random: Random): Promise<DnsConfig> {
  if ((await store.exists(CONFIG_FILE)) === 'value') return await new ConfigReader(store, random).read()
  const files = (await store.list('')).map((entry) => entry.name).filter((name) => name.endsWith(ZONE_SUFFIX))
  if (files.length === 0)
    throw new DnsConfigError(`Cannot find a zone: expected files NAME${ZONE_SUFFIX}, or ${CONFIG_FILE}`)
  const zones: ServedZone[] = []
  for (const file of files) {
    const name = parseName(file.slice(0, -ZONE_SUFFIX.length))
    if (!isName(name)) throw new DnsConfigError(`Cannot use ${file}: its name is not that of a zone (${name})`)
    const policy = { transferTo: NOBODY, updateFrom: NOBODY, notifyFrom: NOBODY }
    zones.push({ origin: nameKey(name), zone: await loadZone(store, random, nameKey(name), file), policy })
  }
  return { zones, views: [], keys: [] }
}

/** Reads one zone file, and those that it includes. */
export async function loadZone(store: KvRo, random: Random, origin: NameKey, file: string): Promise<Zone> {
  const read = async (key: string): Promise<string | undefined> => {
    try {
      return octetsToText(await store.get(key))
    } catch (error) {
      if (error instanceof KvError && error.code !== 'io') return undefined
      throw error
    }
  }
  const text = await read(file)
  if (text === undefined) throw new DnsConfigError(`Cannot load zone ${nameToString(origin)}: there is no file ${file}`)
  const builder = new ZoneBuilder(origin, random.u32())
  await readZoneFile(text, { file, origin, include: read }, (rr) => builder.add(rr))
  const zone = builder.finish()
  if (typeof zone === 'string') throw new ZoneFileError(`${file}: ${zone}`)
  return zone
}

type Json = Readonly<Record<string, unknown>>

/** Reads `dns.json`; everything in it is checked, and what is not known is an error. */
class ConfigReader {
  private readonly store: KvRo
  private readonly random: Random
  private readonly keys = new Map<NameKey, TsigKey>()

  constructor(store: KvRo, random: Random) {
    this.store = store
    this.random = random
  }

  async read(): Promise<DnsConfig> {
    const text = utf8Decode(await this.store.get(CONFIG_FILE))
    if (text === undefined) this.fail('', 'UTF-8', 'something else')
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch (error) {
      throw new DnsConfigError(`${CONFIG_FILE}: ${messageOf(error)}`)
    }
    const root = this.object('', json, ['keys', 'zones', 'views'])
    for (const [name, value] of Object.entries(this.object('keys', root['keys'] ?? {}))) this.addKey(name, value)
    const zones = await this.zones('zones', root['zones'])
    const views: DnsView[] = []
    for (const [i, value] of this.list('', 'views', root).entries()) {
      const where = `views: ${i + 1}`
      const view = this.object(where, value, ['networks', 'zones'])
      const networks = this.list(where, 'networks', view).map((item) => this.network(`${where}: networks`, item))
      if (networks.length === 0) this.fail(`${where}: networks`, 'networks like 10.0.0.0/24', view['networks'])
      views.push({ networks, zones: await this.zones(`${where}: zones`, view['zones']) })
    }
    return { zones, views, keys: [...this.keys.values()] }
  }

  private async zones(where: string, value: unknown): Promise<ServedZone[]> {
    const zones: ServedZone[] = []
    for (const [name, zone] of Object.entries(this.object(where, value))) {
      zones.push(await this.zone(`${where}: ${name}`, name, zone))
    }
    return zones
  }

  private fail(where: string, wanted: string, got: unknown): never {
    const place = where === '' ? CONFIG_FILE : `${CONFIG_FILE}: ${where}`
    throw new DnsConfigError(`${place}: expected ${wanted}, got ${JSON.stringify(got) ?? 'nothing'}`)
  }

  private object(where: string, value: unknown, fields?: readonly string[]): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail(where, 'an object', value)
    const unknown = Object.keys(value).find((field) => fields !== undefined && !fields.includes(field))
    if (unknown !== undefined) this.fail(where, fields?.join(', ') ?? '', unknown)
    return value as Json
  }

  private name(where: string, text: string): NameKey {
    const name = parseName(text)
    if (!isName(name)) this.fail(where, 'a domain name', text)
    return nameKey(name)
  }

  private addKey(text: string, value: unknown): void {
    const where = `keys: ${text}`
    const name = this.name(where, text)
    const { algorithm, secret } = this.object(where, value, ['algorithm', 'secret'])
    const octets = typeof secret === 'string' ? parseBase64(secret) : undefined
    if (octets === undefined || octets.length === 0) this.fail(`${where}: secret`, 'base64 digits', '(not shown)')
    try {
      this.keys.set(name, tsigKey(name, String(algorithm ?? 'hmac-sha256'), octets))
    } catch (error) {
      throw new DnsConfigError(`${CONFIG_FILE}: ${where}: ${messageOf(error)}`)
    }
  }

  private async zone(where: string, text: string, value: unknown): Promise<ServedZone> {
    const origin = this.name(where, text)
    const fields = ['file', 'primaries', 'primaryKey', 'notify', 'transferTo', 'updateFrom']
    const json = this.object(where, value, fields)
    const { file, primaryKey } = json
    if (file !== undefined && typeof file !== 'string') this.fail(`${where}: file`, 'the name of a file', file)
    const primaries = this.list(where, 'primaries', json).map((item) => this.endpoint(`${where}: primaries`, item))
    if ((file === undefined) === (primaries.length === 0))
      this.fail(where, 'either file or primaries', Object.keys(json))
    const key = primaryKey === undefined ? undefined : this.knownKey(`${where}: primaryKey`, primaryKey)
    const hosts = primaries.map(({ address }) => hostOnly(address))
    return {
      origin,
      zone: file === undefined ? undefined : await loadZone(this.store, this.random, origin, file),
      primaries,
      primaryKey: key,
      notify: this.list(where, 'notify', json).map((item) => this.endpoint(`${where}: notify`, item)),
      policy: {
        transferTo: this.access(where, 'transferTo', json),
        updateFrom: this.access(where, 'updateFrom', json),
        notifyFrom: { keys: key === undefined ? [] : [key.name], networks: hosts },
      },
    }
  }

  private list(where: string, field: string, json: Json): readonly unknown[] {
    const value = json[field] ?? []
    if (!Array.isArray(value)) this.fail(where === '' ? field : `${where}: ${field}`, 'a list', value)
    return value
  }

  /** `10.0.0.3`, `10.0.0.3:5353`, `2001:db8::3` or `[2001:db8::3]:5353`. */
  private endpoint(where: string, value: unknown): Endpoint {
    const text = String(value)
    const [, v6, v4, number = String(DNS_PORT)] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? []
    const address = parseIp(v6 ?? v4 ?? text)
    if (address === undefined || Number(number) > 65535) this.fail(where, 'an address with or without a port', value)
    return { address, port: port(Number(number)) }
  }

  /** Items are `10.0.0.0/24`, `10.0.0.3` or `key NAME`. */
  private access(where: string, field: string, json: Json): Access {
    const keys: NameKey[] = []
    const networks: (Ipv4Cidr | Ipv6Cidr)[] = []
    for (const item of this.list(where, field, json)) {
      const text = String(item)
      if (text.startsWith('key ')) {
        keys.push(this.knownKey(`${where}: ${field}`, text.slice(4)).name)
        continue
      }
      networks.push(this.network(`${where}: ${field}`, item, ', or key NAME'))
    }
    return { keys, networks }
  }

  /** `10.0.0.0/24` or `10.0.0.3`; `others` are what else may stand there. */
  private network(where: string, item: unknown, others = ''): Ipv4Cidr | Ipv6Cidr {
    const text = String(item)
    const address = parseIp(text)
    const network = address === undefined ? (parseIpv4Cidr(text) ?? parseIpv6Cidr(text)) : hostOnly(address)
    if (network === undefined) this.fail(where, `an address like 10.0.0.0/24${others}`, item)
    return network
  }

  private knownKey(where: string, value: unknown): TsigKey {
    const key = this.keys.get(this.name(where, String(value)))
    if (key === undefined) this.fail(where, 'one of the keys above', value)
    return key
  }
}

/** The network of one address. */
function hostOnly(address: IpAddress): Ipv4Cidr | Ipv6Cidr {
  return isIpv4(address) ? { address, prefixBits: 32 } : { address, prefixBits: 128 }
}
