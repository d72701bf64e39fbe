/**
 * From the graph with its choices to the plan of one unikernel: choices made, devices in the order in which they start.
 *
 * Sharing is identity: a node is one instance however often it is reached (a traversal that forgot this would start a
 * device twice).
 */
import { nearest } from '@mirage-ts/core/suggest'
import {
  type Attachment,
  type BootKey,
  type ConfigureKey,
  type DeviceNode,
  type Key,
  type Node,
  target,
  type Unikernel,
} from './config.ts'
import { ConfigError, type Place } from './place.ts'

/** A device of the plan. */
export interface Instance {
  readonly node: DeviceNode
  /** `kvRo_3` in generated code and in `describe`: the kind and the place in the order of starting, from 1. */
  readonly id: string
  /** How messages call it: `network 'service'`, or the function of a job. */
  readonly title: string
  readonly dependencies: ReadonlyMap<string, Instance>
  /** The line of the user's configuration; of the nearest user of a device that comes with the vocabulary. */
  readonly place: Place | undefined
}

/** A configure-time key and its word. */
export interface Choice {
  readonly key: ConfigureKey<string>
  readonly word: string
  /** False when it is the default. */
  readonly isGiven: boolean
}

/** One unikernel, all choices made. */
export interface Plan {
  readonly name: string
  /** Dependencies before those who use them. */
  readonly devices: readonly Instance[]
  readonly jobs: readonly Instance[]
  /** The keys that this unikernel depends on, in the order met. */
  readonly choices: readonly Choice[]
  /** Every configure-time key there is: code may ask for any of them as a constant. */
  readonly constants: readonly Choice[]
  readonly bootKeys: readonly BootKey<unknown>[]
  /** What the machine must have, in the order in which it is attached. */
  readonly attachments: readonly PlannedAttachment[]
}

/** Something of the machine, and the device that drives it. */
export interface PlannedAttachment extends Attachment {
  readonly instance: Instance
}

/**
 * Makes the choices. `given` are words of configure-time keys by name, and must be possible; `remembered` ones are taken
 * where they are possible, so that a change of target does not stumble over what was chosen for another.
 */
export function plan(
  unikernel: Unikernel,
  given: ReadonlyMap<string, string>,
  remembered: ReadonlyMap<string, string> = new Map(),
): Plan {
  const planner = new Planner(given, remembered)
  if (unikernel.jobs.length === 0) throw new ConfigError(`Unikernel '${unikernel.name}' has no job`, unikernel.place)
  const jobs = unikernel.jobs.map((job) => planner.visit(job, unikernel.place))
  for (const key of unikernel.keys) planner.constant(key, unikernel.place)
  const constants = [...declaredKeys(unikernel).configure].map((key) => planner.constantOf(key))
  return {
    name: unikernel.name,
    devices: planner.instances.filter((instance) => instance.node.kind !== 'job'),
    jobs: [...new Set(jobs)],
    choices: [...planner.choices.values()],
    constants: [...new Map(constants.map((choice) => [choice.key.name, choice])).values()],
    bootKeys: [...planner.bootKeys.values()],
    attachments: attachmentsOf(planner.instances),
  }
}

function attachmentsOf(instances: readonly Instance[]): PlannedAttachment[] {
  const found: PlannedAttachment[] = []
  for (const instance of instances) {
    const { attach } = instance.node
    if (attach === undefined) continue
    const { type, name, isReadOnly = false } = attach
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,66}$/.test(name)) {
      throw new ConfigError(
        `Cannot call a ${type} '${name}': expected letters, digits, '-', '_' or '.'`,
        instance.place,
      )
    }
    if (found.some((other) => other.type === type && other.name === name)) {
      throw new ConfigError(`Two ${type} devices are called '${name}': give one of them another name`, instance.place)
    }
    found.push({ type, name, ...(isReadOnly ? { isReadOnly } : {}), instance })
  }
  return found
}

/** All keys of the graph, whatever is chosen. */
export interface DeclaredKeys {
  readonly configure: ReadonlySet<ConfigureKey<string>>
  readonly boot: ReadonlySet<BootKey<unknown>>
}

/** Finds all keys of the graph. */
export function declaredKeys(unikernel: Unikernel): DeclaredKeys {
  const configure = new Set<ConfigureKey<string>>([target, ...unikernel.keys])
  const boot = new Set<BootKey<unknown>>()
  const seen = new Set<Node>()
  const visit = (node: Node | undefined): void => {
    if (node === undefined || seen.has(node)) return
    seen.add(node)
    if (node.tag === 'match') configure.add(node.key)
    else {
      for (const key of Object.values(node.keys)) {
        if (key.stage === 'configure') configure.add(key)
        else boot.add(key)
      }
    }
    for (const next of Object.values(node.tag === 'match' ? node.cases : node.dependencies)) visit(next)
  }
  for (const job of unikernel.jobs) visit(job)
  return { configure, boot }
}

class Planner {
  readonly instances: Instance[] = []
  readonly choices: Map<string, Choice> = new Map()
  readonly bootKeys: Map<string, BootKey<unknown>> = new Map()
  readonly #given: ReadonlyMap<string, string>
  readonly #remembered: ReadonlyMap<string, string>
  readonly #done: Map<DeviceNode, Instance> = new Map()
  readonly #visiting: Set<Node> = new Set()

  constructor(given: ReadonlyMap<string, string>, remembered: ReadonlyMap<string, string>) {
    this.#given = given
    this.#remembered = remembered
    // Every unikernel has a target, even one whose devices are the same everywhere.
    this.#choose(target, target.words, undefined)
  }

  /** The instance of a node; `userPlace` is the line of whoever uses it. */
  visit(node: Node, userPlace: Place | undefined): Instance {
    const place = node.place ?? userPlace
    if (node.tag === 'match') {
      const chosen = node.cases[this.#choose(node.key, Object.keys(node.cases), place)]
      if (chosen === undefined) throw new ConfigError(`Nothing to choose for --${node.key.name}`, place)
      return this.visit(chosen, place)
    }
    const done = this.#done.get(node)
    if (done !== undefined) return done
    if (this.#visiting.has(node)) throw new ConfigError(`Device ${node.create} depends on itself`, place)
    this.#visiting.add(node)
    const dependencies = new Map<string, Instance>()
    for (const [name, dependency] of Object.entries(node.dependencies)) {
      if (dependency === undefined) throw new ConfigError(`${node.create} needs a device called '${name}'`, place)
      dependencies.set(name, this.visit(dependency, place))
    }
    this.#visiting.delete(node)
    for (const key of Object.values(node.keys)) {
      if (key.stage === 'configure') this.constant(key, place)
      else this.#addBootKey(key, place)
    }
    const instance: Instance = {
      node,
      id: `${camelCase(node.kind)}_${this.instances.length + 1}`,
      title: titleOf(node),
      dependencies,
      place,
    }
    this.instances.push(instance)
    this.#done.set(node, instance)
    return instance
  }

  /** Settles the value of a key that chooses nothing. */
  constant(key: ConfigureKey<string>, place: Place | undefined): void {
    if (key.words.length > 0) this.#choose(key, key.words, place)
    else {
      this.#knownChoice(key, place)
      this.choices.set(key.name, this.constantOf(key, place))
    }
  }

  /** The value of a key, chosen or, where it is not asked for, as it would be. */
  constantOf(key: ConfigureKey<string>, userPlace?: Place): Choice {
    const known = this.choices.get(key.name)
    if (known !== undefined) return known
    const isPossible = (word: string | undefined) => word !== undefined && key.type.arg.parse(word) !== undefined
    const given = this.#given.get(key.name)
    if (given !== undefined && !isPossible(given)) {
      throw new ConfigError(
        `Cannot use --${key.name} ${given}: expected ${key.type.arg.wanted}`,
        key.place ?? userPlace,
      )
    }
    const before = this.#remembered.get(key.name)
    const word = given ?? (isPossible(before) ? before : undefined)
    return { key, word: word ?? key.default, isGiven: word !== undefined }
  }

  #knownChoice(key: ConfigureKey<string>, place: Place | undefined): Choice | undefined {
    const known = this.choices.get(key.name)
    if (known !== undefined && !isSameKey(known.key, key)) throw twoKeys(key, known.key, place)
    const atBoot = this.bootKeys.get(key.name)
    if (atBoot !== undefined) throw twoKeys(key, atBoot, place)
    return known
  }

  /** The word of `key` among those `offered` at `place`. */
  #choose(key: ConfigureKey<string>, offered: readonly string[], place: Place | undefined): string {
    const known = this.#knownChoice(key, place)
    const before = this.#remembered.get(key.name)
    const given = this.#given.get(key.name) ?? (offered.includes(before ?? '') ? before : undefined)
    const word = given ?? (offered.includes(key.default) ? key.default : offered[0]) ?? key.default
    if (!offered.includes(word)) {
      const chosenTarget = this.choices.get('target')
      const where = chosenTarget === undefined ? '' : ` with target ${chosenTarget.word}`
      if (chosenTarget !== undefined && key.name === 'target') {
        throw new ConfigError(`This device is not there on ${word}: it needs ${offered.join(' or ')}`, place)
      }
      const near = key.words.includes(word) ? undefined : nearest(word, offered)
      const hint = near === undefined ? `expected ${offered.join(' or ')}` : `did you mean ${near}?`
      throw new ConfigError(`Cannot choose --${key.name} ${word}${where}: ${hint}`, place)
    }
    if (known === undefined) this.choices.set(key.name, { key, word, isGiven: given !== undefined })
    return word
  }

  #addBootKey(key: BootKey<unknown>, place: Place | undefined): void {
    const known = this.bootKeys.get(key.name) ?? this.choices.get(key.name)?.key
    if (known !== undefined && known !== key) throw twoKeys(key, known, place)
    this.bootKeys.set(key.name, key)
  }
}

function twoKeys(key: Key, other: Key, place: Place | undefined): ConfigError {
  const where = other.place === undefined ? 'a standard device' : `line ${other.place.line}`
  const message = `Two keys are called '${key.name}', the other one is of ${where}: give one of them a group`
  return new ConfigError(message, key.place ?? place)
}

/** A standard key may come from another copy of this package: that of config.ts and that of the tool are two. */
function isSameKey(a: ConfigureKey<string>, b: ConfigureKey<string>): boolean {
  return a === b || (a.name === b.name && a.doc === b.doc && a.words.join() === b.words.join())
}

/** How messages call a device. */
export function titleOf({ kind, label, create }: DeviceNode): string {
  if (kind === 'job') return label ?? create
  return label === undefined ? kind : `${kind} '${label}'`
}

/** `kv-ro` as `kvRo`. */
export function camelCase(kind: string): string {
  return kind.replace(/[^A-Za-z0-9]+(.)/g, (_, letter: string) => letter.toUpperCase())
}
