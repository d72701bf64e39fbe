import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe as describePlan } from '@mirage-ts/config/describe'
import type { Instance, Plan } from '@mirage-ts/config/graph'
import { type SketchNode, sketch, sketchToDot } from '@mirage-ts/config/sketch'
import type { Target } from '@mirage-ts/config/targets'
import { bool, string } from '@mirage-ts/core/boot-args'
import type { Command } from '../command.ts'
import { planProject, prepare } from '../configure.ts'
import { UsageError } from '../errors.ts'
import { importModule } from '../import-module.ts'
import { readLabel } from '../label.ts'
import { summarizeLinked } from '../linked.ts'
import { JSON_OPTION, TARGET } from '../options.ts'
import { readContext, showPlace } from '../project.ts'

/** `mirage describe`: what a unikernel is made of. */
export const describe: Command = {
  name: 'describe',
  summary: 'show the name, keys, output and devices of the unikernel, or draw them',
  details: `Shows what the options given, and those remembered, make of config.ts. Devices are numbered: a number that appears
twice is one device with two users. A drawing shows choices that are still open, until mirage configure has made them or
--eval takes the defaults: dashed, with what they may become. Nothing is written but the file of -o.`,
  options: {
    ...TARGET,
    ...JSON_OPTION,
    dot: { type: bool, default: 'false', doc: 'draw the devices for Graphviz' },
    svg: { type: bool, default: 'false', doc: 'draw the devices as a picture' },
    output: { type: string, short: 'o', doc: 'the file to write to instead of the terminal' },
    eval: { type: bool, doc: 'make the choices that are open; on its own once mirage configure has run' },
  },
  async run(call) {
    const { project, config, given } = await prepare(call, this.options)
    const { plan, target } = await planProject(project, config, given.words)
    const { dot, svg, json, eval: isEvaluated, output: file } = given.values
    if ([dot, svg, json].filter((isAsked) => isAsked === true).length > 1) {
      throw new UsageError('Choose one of --dot, --svg and --json')
    }
    const context = await readContext(project)
    const decided = new Map([...Object.entries(context?.keys ?? {}), ...given.words])
    if (isEvaluated ?? context !== undefined) for (const { key, word } of plan.choices) decided.set(key.name, word)
    const nodes = sketch(config.unikernel, decided)
    const artefact = `dist/${plan.name}${target.suffix}`
    let text: string
    if (dot === true || svg === true) {
      text = sketchToDot(plan.name, nodes, (node) => showPlace(project, node.place))
      if (svg === true) text = await drawSvg(text)
    } else if (json === true) text = toJson(plan, target, artefact, nodes, (node) => showPlace(project, node.place))
    else {
      const show = (instance: Instance) => showPlace(project, instance.place)
      text = describePlan(plan, artefact, show, await linkedLines(join(project.folder, artefact), plan, target))
    }
    if (typeof file === 'string' && file !== '-') await writeFile(resolve(file), text)
    else call.output.print(text.trimEnd())
    return 0
  },
}

/** What the artefact was linked of, if it is there and was built with these choices. */
async function linkedLines(path: string, { choices }: Plan, { hasHost }: Target): Promise<readonly string[]> {
  if (hasHost) return []
  const label = existsSync(path) ? readLabel(await readFile(path)) : undefined
  const isCurrent = choices.every(({ key, word }) => label?.configured[key.name] === word)
  if (label?.linked === undefined || !isCurrent) return ['known after mirage build']
  return summarizeLinked(label.linked)
}

/** Graphviz, compiled to WebAssembly: large, so it is loaded only here. */
async function drawSvg(dot: string): Promise<string> {
  const { instance } = (await importModule('@viz-js/viz')) as typeof import('@viz-js/viz')
  return (await instance()).renderString(dot, { format: 'svg' })
}

function toJson(
  plan: Plan,
  target: Target,
  output: string,
  nodes: readonly SketchNode[],
  show: (node: SketchNode) => string,
): string {
  const described = {
    name: plan.name,
    target: target.name,
    output,
    keys: plan.choices.map(({ key, word, isGiven }) => ({
      name: key.name,
      value: word,
      isDefault: !isGiven,
      doc: key.doc,
    })),
    boot: plan.bootKeys.map((key) => ({ name: key.name, default: key.default ?? null, doc: key.doc })),
    attachments: plan.attachments.map(({ type, name }) => ({ type, name })),
    graph: nodes.map((node) => ({ ...node, place: show(node) })),
  }
  return `${JSON.stringify(described, null, 2)}\n`
}
