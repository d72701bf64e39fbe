/**
 * From the graph with its choices to the plan of one unikernel: choices made, devices in the order in which they start.
 *
 * Sharing is identity: a node is one instance however often it is reached (a traversal that forgot this would start a
 * device twice).
 */
import { nearest } from '@mirage-ts/core/suggest'
import { type BootKey, type ConfigureKey, type DeviceNode, type Node, target, type Unikernel } from './config.ts'
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
  /** In the order met. */
  readonly choices: readonly Choice[]
  readonly bootKeys: readonly BootKey<unknown>[]
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
  return {
    name: unikernel.name,
    devices: planner.instances.filter((instance) => instance.node.kind !== 'job'),
    jobs: [...new Set(jobs)],
    choices: [...planner.choices.values()],
    bootKeys: [...planner.bootKeys.values()],
  }
}

/** All keys of the graph, whatever is chosen. */
export interface DeclaredKeys {
  readonly configure: ReadonlySet<ConfigureKey<string>>
  readonly boot: ReadonlySet<BootKey<unknown>>
}

/** Finds all keys of the graph. */
export function declaredKeys(unikernel: Unikernel): DeclaredKeys {
  const configure = new Set<ConfigureKey<string>>([target])
  const boot = new Set<BootKey<unknown>>()
  const seen = new Set<Node>()
  const visit = (node: Node | undefined): void => {
    if (node === undefined || seen.has(node)) return
    seen.add(node)
    if (node.tag === 'match') configure.add(node.key)
    else for (const key of Object.values(node.keys)) boot.add(key)
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
    for (const key of Object.values(node.keys)) this.#addBootKey(key, place)
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

  /** The word of `key` among those `offered` at `place`. */
  #choose(key: ConfigureKey<string>, offered: readonly string[], place: Place | undefined): string {
    const known = this.choices.get(key.name)
    if (known !== undefined && !isSameKey(known.key, key)) {
      throw new ConfigError(`Two configure-time keys are called '${key.name}'`, key.place ?? place)
    }
    const before = this.#remembered.get(key.name)
    const given = this.#given.get(key.name) ?? (offered.includes(before ?? '') ? before : undefined)
    const word = given ?? (offered.includes(key.default) ? key.default : offered[0]) ?? key.default
    if (!offered.includes(word)) {
      const chosenTarget = this.choices.get('target')
      const where = chosenTarget === undefined ? '' : ` with target ${chosenTarget.word}`
      const near = key.words.includes(word) ? undefined : nearest(word, offered)
      const hint = near === undefined ? `expected ${offered.join(' or ')}` : `did you mean ${near}?`
      throw new ConfigError(`Cannot choose --${key.name} ${word}${where}: ${hint}`, place)
    }
    if (known === undefined) this.choices.set(key.name, { key, word, isGiven: given !== undefined })
    return word
  }

  #addBootKey(key: BootKey<unknown>, place: Place | undefined): void {
    const known = this.bootKeys.get(key.name)
    if (known !== undefined && known !== key) {
      const other = known.place === undefined ? 'a standard device' : `line ${known.place.line}`
      throw new ConfigError(`Two keys are called '${key.name}'; the other one is of ${other}`, key.place ?? place)
    }
    this.bootKeys.set(key.name, key)
  }
}

/** A standard key may come from another copy of this package: that of config.ts and that of the tool are two. */
function isSameKey(a: ConfigureKey<string>, b: ConfigureKey<string>): boolean {
  return a === b || (a.name === b.name && a.doc === b.doc && a.words.join() === b.words.join())
}

function titleOf({ kind, label, create }: DeviceNode): string {
  if (kind === 'job') return label ?? create
  return label === undefined ? kind : `${kind} '${label}'`
}

/** `kv-ro` as `kvRo`. */
function camelCase(kind: string): string {
  return kind.replace(/[^A-Za-z0-9]+(.)/g, (_, letter: string) => letter.toUpperCase())
}
