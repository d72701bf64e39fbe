import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nearest } from '@mirage-ts/core/suggest'
import type { Command } from '../command.ts'
import { type Configured, configureProject, prepare } from '../configure.ts'
import { UsageError, UserError } from '../errors.ts'
import { readLabel } from '../label.ts'
import { describeLinked, leftOut } from '../linked.ts'
import { JSON_OPTION, TARGET } from '../options.ts'
import { table } from '../output.ts'
import { findPackage, packageName } from '../packages.ts'
import { showPlace } from '../project.ts'
import { sizesOf } from './inspect.ts'

/** An answer: data for `--json`, and its text. */
interface Answer {
  readonly data: unknown
  readonly text: string
}

const QUESTIONS: Readonly<Record<string, (configured: Configured) => Answer | Promise<Answer>>> = {
  name: ({ plan }) => ({ data: plan.name, text: plan.name }),
  target: ({ target }) => ({ data: target.name, text: target.name }),
  keys({ plan }) {
    const data = plan.choices.map(({ key, word, isGiven }) => ({ name: key.name, value: word, isDefault: !isGiven }))
    return { data, text: table(plan.choices.map(({ key, word }) => [`${key.name}=${word}`, key.doc])) }
  },
  boot({ plan }) {
    const data = plan.bootKeys.map((key) => ({ name: key.name, default: key.default ?? null, doc: key.doc }))
    return { data, text: table(data.map((key) => [`--${key.name}=${key.default ?? ''}`, key.doc])) }
  },
  devices({ project, plan }) {
    const data = [...plan.devices, ...plan.jobs].map(({ id, title, node, place }) => {
      return { id, title, create: node.create, from: node.from, place: showPlace(project, place) }
    })
    return { data, text: table(data.map(({ id, create, from, place }) => [id, `${create} of ${from}`, place])) }
  },
  packages({ project, plan }) {
    const nodes = [...plan.devices, ...plan.jobs].map(({ node }) => node)
    const names = nodes
      .flatMap((node) => [packageName(node.from), ...node.packages])
      .filter((name) => name !== undefined)
    const data = [...new Set(names)].sort().map((name) => ({
      name,
      version: findPackage(name, project.folder)?.version ?? 'not installed',
    }))
    return { data, text: table(data.map(({ name, version }) => [name, version])) }
  },
  files({ plan, target, files }) {
    const generated = [...files.keys(), 'context.json'].map((name) => `mirage/${name}`)
    const data = [...generated.sort(), `dist/${plan.name}${target.suffix}`, `dist/${plan.name}${target.suffix}.map`]
    return { data, text: data.join('\n') }
  },
  main: ({ main }) => ({ data: main.text, text: main.text.trimEnd() }),
  async linked(configured) {
    const { linked } = (await readBuilt(configured)).label
    if (linked === undefined) {
      return { data: null, text: `Nothing: target ${configured.target.name} has an engine of its own` }
    }
    return { data: { ...linked, left: leftOut(linked) }, text: describeLinked(linked) }
  },
  async size(configured) {
    const { artefact, label } = await readBuilt(configured)
    const data = sizesOf(artefact, label)
    return { data, text: table(data.map(({ part, lenBytes }) => [part, String(lenBytes)])) }
  },
}

async function readBuilt({ project, plan, target }: Configured) {
  const name = `dist/${plan.name}${target.suffix}`
  const path = join(project.distFolder, `${plan.name}${target.suffix}`)
  if (!existsSync(path)) throw new UserError(`There is no ${name}: make it with mirage build`)
  const artefact = await readFile(path)
  const label = readLabel(artefact)
  if (label === undefined) throw new UserError(`${path} was not made by this tool: make it with mirage build`)
  return { artefact, label }
}

/** `mirage query`: one fact of a configuration, for scripts. */
export const query: Command = {
  name: 'query',
  summary: 'print one fact: name, target, keys, boot, devices, packages, files, main, size or linked',
  details: `mirage query INFO prints, for the options given and those remembered:
  name, target   of the unikernel
  keys           the configure-time keys and their values
  boot           the boot arguments and their defaults
  devices        every device, its module and the line of config.ts it is from
  packages       the npm packages that devices come from or need
  files          what configure and build write
  main           the generated program
  size           octets of each part of the artefact, and of each package in its bundle
  linked         the optional parts of the engine and the native functions in an image, with the sources that need them
Nothing is written.`,
  argument: 'INFO',
  options: { ...TARGET, ...JSON_OPTION },
  async run(call) {
    const { project, config, given } = await prepare(call, this.options, 1)
    const [question] = given.rest
    const words = Object.keys(QUESTIONS)
    const answer = question === undefined ? undefined : QUESTIONS[question]
    if (answer === undefined) {
      const near = question === undefined ? undefined : nearest(question, words)
      const hint = near === undefined ? `expected one of ${words.join(', ')}` : `did you mean ${near}?`
      throw new UsageError(`Cannot query ${question ?? 'nothing'}: ${hint}`)
    }
    const { data, text } = await answer(await configureProject(project, config, given.words))
    call.output.print(given.values['json'] === true ? JSON.stringify(data, null, 2) : text)
    return 0
  },
}
