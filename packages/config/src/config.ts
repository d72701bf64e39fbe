/**
 * The configuration language: what a `config.ts` says. It describes which devices a unikernel is made of as a typed
 * graph, and never loads any of them: modules are named by text, and the `mirage` command generates the code that
 * imports them and puts them together.
 *
 * Devices that exist are in `@mirage-ts/config/devices`; this is what they are made with.
 */
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Block } from '@mirage-ts/signatures/block'
import type { Console } from '@mirage-ts/signatures/console'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Icmp } from '@mirage-ts/signatures/icmp'
import type { Ip } from '@mirage-ts/signatures/ip'
import type { KvRo, KvRw, KvTransactional } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import type { Random } from '@mirage-ts/signatures/random'
import type { SectorCipher } from '@mirage-ts/signatures/sector-cipher'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Tcp } from '@mirage-ts/signatures/tcp'
import type { MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import type { Udp } from '@mirage-ts/signatures/udp'
import { bool, type Constant, type KeyType, oneOf } from './key-types.ts'
import { ConfigError, callerPlace, type Place, placed } from './place.ts'
import { TARGET_NAMES, type TargetName } from './targets.ts'

export {
  bool,
  byteSize,
  type Constant,
  duration,
  float,
  int,
  ipAddress,
  ipv4Address,
  ipv4Cidr,
  ipv6Address,
  ipv6Cidr,
  type KeyType,
  listOf,
  logLevels,
  macAddress,
  oneOf,
  port,
  string,
} from './key-types.ts'

/**
 * The kinds of devices and the signature of each. An application adds its own by merging:
 * `declare module '@mirage-ts/config' { interface Kinds { thermometer: Thermometer } }`.
 */
export interface Kinds {
  console: Console
  clock: MonotonicClock
  'wall-clock': WallClock
  time: Time
  random: Random
  log: Log
  network: Network
  ethernet: Ethernet
  arp: Arp
  ipv4: Ip
  icmp: Icmp
  udp: Udp
  tcp: Tcp
  stack: Stack
  block: Block
  'sector-cipher': SectorCipher
  'kv-ro': KvRo
  'kv-rw': KvRw
  'kv-transactional': KvTransactional
  job: undefined
}

/** The name of a kind of devices. */
export type Kind = keyof Kinds & string

declare const phantom: unique symbol

/**
 * A device of kind `K` in the graph. One constant is one device however many others use it; writing the expression
 * twice makes two devices.
 */
export interface Device<K extends Kind> {
  // Invariant on purpose: with a covariant one, `match` would accept cases of different kinds and infer their union.
  readonly [phantom]?: (kind: K) => K
  readonly node: Node
}

/** What a functor takes: the kind of each dependency by name. */
export type Takes = Readonly<Record<string, Kind>>

/** A device that needs others: given them, it is a device. */
export type Functor<T extends Takes, K extends Kind> = keyof T extends never
  ? () => Device<K>
  : (dependencies: { readonly [Name in keyof T]: Device<T[Name]> }) => Device<K>

/** A node of the graph. */
export type Node = DeviceNode | MatchNode

/** A device made by calling an exported function of a module. */
export interface DeviceNode {
  readonly tag: 'device'
  readonly kind: Kind
  /** The module, as config.ts would import it. */
  readonly from: string
  /** The exported function: `create({ dependencies by name }, { options })`. */
  readonly create: string
  readonly dependencies: Readonly<Record<string, Node | undefined>>
  /** Options whose value is a key's: an argument at boot, or a constant. */
  readonly keys: Readonly<Record<string, Key>>
  /** Options whose value is fixed. */
  readonly options: Readonly<Record<string, Option>>
  /** npm packages that must be installed, beside the one it comes from. */
  readonly packages: readonly string[]
  /** What the machine must have for it. */
  readonly attach: Attachment | undefined
  /** Tells devices of one kind apart in messages. */
  readonly label: string | undefined
  readonly place: Place | undefined
}

/** A choice between devices, made when the unikernel is configured. */
export interface MatchNode {
  readonly tag: 'match'
  readonly key: ConfigureKey<string>
  readonly cases: Readonly<Record<string, Node>>
  readonly place: Place | undefined
}

/** Something of the machine that a device drives: whoever runs the unikernel attaches it, by this name. */
export interface Attachment {
  readonly type: 'network' | 'block'
  readonly name: string
  /** A disk that is not to be written to, whatever the unikernel does. */
  readonly isReadOnly?: boolean
}

/** An option fixed in config.ts. */
export type Option = Constant | Value | FolderContents | AttachmentIndex

/** A value of several parts, which is written into generated code as JSON. */
export interface Value {
  readonly tag: 'value'
  readonly value: unknown
}

/** The files of a folder, read when the unikernel is configured and carried in the image. */
export interface FolderContents {
  readonly tag: 'folder'
  /** Relative to config.ts. */
  readonly folder: string
  /** Carries what becomes much shorter in gzip and brotli as well, as `NAME.gz` and `NAME.br`. */
  readonly isPrecompressed?: boolean
}

/** The place of a device's attachment, from 0, among those of its type: the order in which `mirage run` attaches them. */
export interface AttachmentIndex {
  readonly tag: 'attachment-index'
}

/** A key of either stage. */
export type Key = BootKey<unknown> | ConfigureKey<string>

/** An argument of the booted unikernel: a value, never a choice of devices. */
export interface BootKey<T> {
  readonly stage: 'boot'
  readonly name: string
  readonly type: KeyType<T, Constant>
  /** As it would be typed. */
  readonly default: string | undefined
  readonly doc: string
  readonly section: string | undefined
  readonly place: Place | undefined
}

/**
 * An option of `mirage configure`: it chooses devices with {@link match}, or is a constant of the artefact, which code
 * sees as `import.meta.mirage.NAME`. It is gone when the unikernel boots.
 */
export interface ConfigureKey<Word extends string> {
  readonly stage: 'configure'
  readonly name: string
  /** What can be matched on; empty for a key that is only a value. */
  readonly words: readonly Word[]
  readonly type: KeyType<unknown, Constant>
  /** As it would be typed. */
  readonly default: string
  readonly doc: string
  /** Flags that stand for a word, each with its word. */
  readonly shorthands: ReadonlyMap<string, Word>
  readonly place: Place | undefined
}

/** What is said of a boot key. */
export interface BootKeySpec<T, Literal extends Constant> {
  readonly type: KeyType<T, Literal>
  /** Without one, the value is `undefined` when the argument is not given. */
  readonly default?: Literal | undefined
  readonly doc: string
  /** Heading in the unikernel's `--help`. */
  readonly section?: string
  /** Goes before the name: group `management` makes `ipv4` the argument `--management-ipv4`. */
  readonly group?: string | undefined
}

/** An argument of the booted unikernel: `bootKey('port', { type: port, default: 80, doc: 'TCP port to serve on' })`. */
export function bootKey<T, Literal extends Constant>(name: string, spec: BootKeySpec<T, Literal>): BootKey<T> {
  const { type, doc, section } = spec
  const fullName = keyName(name, spec.group)
  const text = spec.default === undefined ? undefined : defaultText(fullName, type, spec.default)
  return placed({ stage: 'boot' as const, name: fullName, type, default: text, doc, section })
}

/** What is said of a configure-time key with a few words. */
export interface ChoiceSpec<Word extends string> {
  readonly words: readonly Word[]
  readonly default: NoInfer<Word>
  readonly doc: string
  /** Flags that stand for a word: `{ 'ipv6-only': 'v6' }` lets `--ipv6-only` say `--ip v6`. */
  readonly shorthands?: Readonly<Record<string, NoInfer<Word>>>
  /** Goes before the name, as for a boot key. */
  readonly group?: string | undefined
}

/** What is said of a configure-time key that is a value. */
export interface ConstantSpec<Literal extends Constant> {
  readonly type: KeyType<unknown, Literal>
  readonly default: Literal
  readonly doc: string
  /** Goes before the name, as for a boot key. */
  readonly group?: string | undefined
}

/**
 * An option of `mirage configure`: a choice of a few `words`, to {@link match} on, or a value of some `type`:
 * `configureKey('color', { words: ['red', 'green'], default: 'red', doc: 'of the door' })`,
 * `configureKey('rounds', { type: int, default: 4, doc: 'how often' })`.
 */
export function configureKey<const Word extends string>(name: string, spec: ChoiceSpec<Word>): ConfigureKey<Word>
export function configureKey<Literal extends Constant>(name: string, spec: ConstantSpec<Literal>): ConfigureKey<never>
export function configureKey(name: string, spec: ChoiceSpec<string> | ConstantSpec<Constant>): ConfigureKey<string> {
  const { doc } = spec
  const words = 'words' in spec ? spec.words : []
  const type: KeyType<unknown, Constant> = 'words' in spec ? oneOf(...spec.words) : spec.type
  const fullName = keyName(name, spec.group)
  const text = defaultText(fullName, type, spec.default)
  const given = Object.entries('words' in spec ? (spec.shorthands ?? {}) : {})
  const shorthands = new Map(given.map(([flag, word]) => [keyName(flag, spec.group), word]))
  return placed({ stage: 'configure' as const, name: fullName, words, type, default: text, doc, shorthands })
}

/** A configure-time key that is true or false: `--loud` or `--loud=false`. Choose with {@link when}. */
export function configureFlag(
  name: string,
  spec: { readonly default?: boolean; readonly doc: string; readonly group?: string | undefined },
): ConfigureKey<'true' | 'false'> {
  return placed({
    stage: 'configure' as const,
    name: keyName(name, spec.group),
    words: ['true', 'false'] as const,
    type: bool,
    default: String(spec.default ?? false),
    doc: spec.doc,
    shorthands: new Map(),
  })
}

function keyName(name: string, group: string | undefined): string {
  const fullName = group === undefined ? name : `${group}-${name}`
  if (!/^[a-z][a-z0-9]*([-:][a-z0-9]+)*$/.test(fullName)) {
    throw new ConfigError(
      `Cannot call a key '${fullName}': expected lowercase words joined by '-' or ':'`,
      callerPlace(),
    )
  }
  return fullName
}

function defaultText(name: string, type: KeyType<unknown, Constant>, value: Constant): string {
  const text = String(value)
  if (type.arg.parse(text) !== undefined) return text
  throw new ConfigError(
    `Cannot use '${text}' as the default of key '${name}': expected ${type.arg.wanted}`,
    callerPlace(),
  )
}

/** What the unikernel is built for. */
export const target: ConfigureKey<TargetName> = configureKey('target', {
  words: TARGET_NAMES,
  default: 'unix',
  doc: 'what to build for: a Node.js program, or an image that boots on a virtual machine',
})

/** What is said of a device. */
export interface DeviceSpec<T extends Takes, K extends Kind> {
  readonly makes: K
  readonly takes?: T
  /** Options that keys give: arguments of the booted unikernel, or constants. */
  readonly keys?: Readonly<Record<string, Key>>
  /** Options fixed here. */
  readonly options?: Readonly<Record<string, Option>>
  /** npm packages that it needs beside the one that `from` is in; they are checked to be installed. */
  readonly packages?: readonly string[]
  /** What the machine must have for it: a network or a block device of this name. */
  readonly attach?: Attachment
  /** Tells devices of one kind apart in messages; the name of what it is attached to, if left out. */
  readonly label?: string
}

/**
 * A device implemented by the function `create` that module `from` exports: it is called with its dependencies by name,
 * then with its options, and returns the device or a promise of it.
 *
 * `const thermometer = device('./thermometer.ts', 'createThermometer', { takes: { time: 'time' }, makes: 'thermometer' })`
 */
export function device<const T extends Takes = Record<never, never>, const K extends Kind = Kind>(
  from: string,
  create: string,
  spec: DeviceSpec<T, K>,
): Functor<T, K> {
  const { makes, takes = {}, keys = {}, options = {}, packages = [], attach, label = attach?.name } = spec
  const apply = (given: Readonly<Record<string, Device<Kind> | undefined>> = {}): Device<K> => {
    const dependencies: Record<string, Node | undefined> = {}
    for (const [name, wanted] of Object.entries<Kind>(takes)) {
      const node = given[name]?.node
      const got = node === undefined ? wanted : kindOfNode(node)
      // The compiler says so too, but not every command waits for it.
      if (got !== wanted) throw new ConfigError(`${create} takes a ${wanted} as '${name}', not a ${got}`, callerPlace())
      dependencies[name] = node
    }
    const made = { kind: makes, from, create, dependencies, keys, options, packages, attach, label }
    return { node: placed({ tag: 'device' as const, ...made }) }
  }
  return apply as Functor<T, K>
}

/** The kind of a device: for what can stand on devices of several kinds. */
export function kindOf<K extends Kind>(device: Device<K>): K {
  // A choice has at least one case, whose kind is that of all; an empty one is refused when it is made.
  return kindOfNode(device.node) as K
}

function kindOfNode(node: Node): Kind | undefined {
  if (node.tag === 'device') return node.kind
  const first = Object.values(node.cases)[0]
  return first === undefined ? undefined : kindOfNode(first)
}

/**
 * The application: a function that is called with its dependencies and its options once they are there, and whose
 * promise ends with the job. `main('./unikernel.ts', 'start', { takes: { stack: 'stack' }, keys: { port: ... } })`
 */
export function main<const T extends Takes = Record<never, never>>(
  from: string,
  start: string,
  spec: Omit<DeviceSpec<T, 'job'>, 'makes'> = {},
): Functor<T, 'job'> {
  return device<T, 'job'>(from, start, { ...spec, makes: 'job' })
}

/**
 * The device chosen by a configure-time key. A word that is no case is not possible there and not offered:
 * `match(target, { unix: hostStack(), virtio: directStack() })`
 */
export function match<const Word extends string, K extends Kind>(
  key: ConfigureKey<Word>,
  cases: { readonly [W in Word]?: Device<K> },
): Device<K> {
  // The compiler says so too, but not every command waits for it.
  if (key.stage !== 'configure') {
    const message = 'An argument of the booted unikernel cannot choose devices: make it a configureKey'
    throw new ConfigError(message, callerPlace())
  }
  const nodes: Record<string, Node> = {}
  for (const [word, chosen] of Object.entries<Device<K> | undefined>(cases)) {
    if (chosen !== undefined) nodes[word] = chosen.node
  }
  return { node: placed({ tag: 'match' as const, key, cases: nodes }) }
}

/** One of two devices: `when(loud, loudLog, defaultLog)`, where `loud` is a {@link configureFlag}. */
export function when<K extends Kind>(
  flag: ConfigureKey<'true' | 'false'>,
  yes: Device<K>,
  no: Device<NoInfer<K>>,
): Device<K> {
  return match(flag, { true: yes, false: no })
}

/** A whole unikernel: what config.ts exports by default. */
export interface Unikernel {
  readonly tag: 'unikernel'
  readonly name: string
  readonly jobs: readonly Node[]
  /** Configure-time keys that no device takes: only code sees them, as `import.meta.mirage.NAME`. */
  readonly keys: readonly ConfigureKey<string>[]
  readonly place: Place | undefined
}

/** Puts jobs together under a name, which is the name of the artefact; they run concurrently. */
export function register(
  name: string,
  jobs: readonly Device<'job'>[],
  options: { readonly keys?: readonly ConfigureKey<string>[] } = {},
): Unikernel {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new ConfigError(`Cannot call a unikernel '${name}': expected letters, digits, '-', '_' or '.'`, callerPlace())
  }
  const nodes = jobs.map((job) => job.node)
  return placed({ tag: 'unikernel' as const, name, jobs: nodes, keys: options.keys ?? [] })
}
