/**
 * From the graph with its choices to the plan of one unikernel: choices made, devices in the order in which they start.
 *
 * Sharing is identity: a node is one instance however often it is reached (a traversal that forgot this would start a
 * device twice).
 */
import { nearest } from '@mirage-ts/core/suggest'
import type { BootKey, ConfigureKey, DeviceNode, Node, Unikernel } from './config.ts'
import { ConfigError, type Place } from './place.ts'

/** A device of the plan. */
export interface Instance {
  readonly node: DeviceNode
  /** `kvRo_3` in generated code and in `describe`: the kind and the place in the order of starting, from 1. */
  readonly id: string
  /** How messages call it: `network 'service'`. */
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

/** Makes the choices: `words` are the configure-time keys given by name. */
export function plan(unikernel: Unikernel, words: ReadonlyMap<string, string>): Plan {
  const planner = new Planner(words)
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

/** All configure-time keys of the graph, whatever is chosen. */
export function configureKeys(unikernel: Unikernel): readonly ConfigureKey<string>[] {
  const keys = new Set<ConfigureKey<string>>()
  const seen = new Set<Node>()
  const visit = (node: Node | undefined): void => {
    if (node === undefined || seen.has(node)) return
    seen.add(node)
    if (node.tag === 'match') keys.add(node.key)
    for (const next of Object.values(node.tag === 'match' ? node.cases : node.dependencies)) visit(next)
  }
  for (const job of unikernel.jobs) visit(job)
  return [...keys]
}

class Planner {
  readonly instances: Instance[] = []
  readonly choices: Map<string, Choice> = new Map()
  readonly bootKeys: Map<string, BootKey<unknown>> = new Map()
  readonly #words: ReadonlyMap<string, string>
  readonly #done: Map<DeviceNode, Instance> = new Map()
  readonly #visiting: Set<Node> = new Set()

  constructor(words: ReadonlyMap<string, string>) {
    this.#words = words
  }

  /** The instance of a node; `userPlace` is the line of whoever uses it. */
  visit(node: Node, userPlace: Place | undefined): Instance {
    const place = node.place ?? userPlace
    if (node.tag === 'match') return this.visit(this.#choose(node.key, node.cases, place), place)
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
      title: node.label === undefined ? node.kind : `${node.kind} '${node.label}'`,
      dependencies,
      place,
    }
    this.instances.push(instance)
    this.#done.set(node, instance)
    return instance
  }

  #choose(key: ConfigureKey<string>, cases: Readonly<Record<string, Node>>, place: Place | undefined): Node {
    const known = this.choices.get(key.name)
    if (known !== undefined && known.key !== key) {
      throw new ConfigError(`Two configure-time keys are called '${key.name}'`, key.place ?? place)
    }
    const offered = Object.keys(cases)
    const given = this.#words.get(key.name)
    const word = given ?? (Object.hasOwn(cases, key.default) ? key.default : offered[0])
    const chosen = word === undefined ? undefined : cases[word]
    if (word === undefined || chosen === undefined) {
      const target = key.name === 'target' ? undefined : this.choices.get('target')
      const where = target === undefined ? '' : ` with target ${target.word}`
      const near = key.words.includes(word ?? '') ? undefined : nearest(word ?? '', offered)
      const hint = near === undefined ? `expected ${offered.join(' or ')}` : `did you mean ${near}?`
      throw new ConfigError(`Cannot choose --${key.name} ${word}${where}: ${hint}`, place)
    }
    if (known === undefined) this.choices.set(key.name, { key, word, isGiven: given !== undefined })
    return chosen
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

/** `kv-ro` as `kvRo`. */
function camelCase(kind: string): string {
  return kind.replace(/[^A-Za-z0-9]+(.)/g, (_, letter: string) => letter.toUpperCase())
}
