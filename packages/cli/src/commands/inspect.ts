import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { bool, parseArgs } from '@mirage-ts/core/boot-args'
import type { Command } from '../command.ts'
import { UsageError, UserError } from '../errors.ts'
import { readImage } from '../image.ts'
import { type Label, readLabel, sha256 } from '../label.ts'
import { summarizeLinked } from '../linked.ts'
import { COMMON, JSON_OPTION } from '../options.ts'
import { sizeToString, table } from '../output.ts'

/** `mirage inspect`: what an artefact says of itself. */
export const inspect: Command = {
  name: 'inspect',
  summary: 'show what is in an artefact: what it needs, its keys, parts and inputs',
  details: `mirage inspect FILE reads the label that every artefact carries; no config.ts is needed. --json prints all of it;
--bom prints its bill of materials alone, CycloneDX 1.6.`,
  argument: 'FILE',
  options: {
    ...JSON_OPTION,
    bom: { type: bool, default: 'false', doc: 'print the bill of materials (CycloneDX, JSON)' },
    inputs: { type: bool, default: 'false', doc: 'list every file it was made from, with its SHA-256' },
  },
  async run({ words, output }) {
    const parsed = parseArgs({ ...COMMON, ...this.options }, words)
    if (parsed.tag !== 'args')
      throw new UsageError(parsed.tag === 'error' ? parsed.message : 'Ask with mirage help inspect')
    const [file, ...more] = parsed.rest
    if (file === undefined || more.length > 0)
      throw new UsageError('Give one artefact: mirage inspect dist/NAME.virtio')
    if (!existsSync(file)) throw new UserError(`There is no ${file}`)
    const artefact = await readFile(resolve(file))
    const label = readLabel(artefact)
    if (label === undefined)
      throw new UserError(`${file} has no label: it was not made by mirage build, or it is damaged`)
    const { json, bom, inputs } = parsed.args
    if (bom === true) output.print(JSON.stringify(label.bom, null, 2))
    else if (json === true) {
      const data = { file: relative('.', file), sha256: sha256(artefact), sizes: sizesOf(artefact, label), ...label }
      output.print(JSON.stringify(data, null, 2))
    } else if (inputs === true)
      output.print(table(Object.entries(label.inputs).map(([name, digest]) => [digest, name])))
    else output.print(describeArtefact(artefact, label))
    return 0
  },
}

/** A part of an artefact. */
export interface PartSize {
  readonly part: string
  readonly lenBytes: number
}

/** The size of each part of an artefact; those of packages are octets of the bundle, before bytecode is made of it. */
export function sizesOf(artefact: Uint8Array, label: Label): readonly PartSize[] {
  const parts: PartSize[] = [{ part: 'artefact', lenBytes: artefact.length }]
  const isImage = artefact[0] === 0x7f
  if (isImage) {
    const { bytecode, assets } = readImage(artefact)
    const assetBytes = assets.reduce((sum, asset) => sum + asset.length, 0)
    const labelBytes = new TextEncoder().encode(JSON.stringify(label)).length
    parts.push({ part: 'runtime', lenBytes: artefact.length - bytecode.length - assetBytes - labelBytes })
    parts.push({ part: 'bytecode', lenBytes: bytecode.length })
    if (assets.length > 0) parts.push({ part: `${assets.length} files`, lenBytes: assetBytes })
    parts.push({ part: 'label', lenBytes: labelBytes })
  }
  for (const { name, properties } of [label.bom.metadata.component, ...label.bom.components]) {
    const value = properties?.find((property) => property.name === 'mirage:bytes')?.value
    if (value !== undefined) parts.push({ part: `source of ${name}`, lenBytes: Number(value) })
  }
  return parts
}

function describeArtefact(artefact: Uint8Array, label: Label): string {
  const { attachments, boot, bom, inputs } = label
  const keys = Object.entries(label.configured).map(([name, word]) => `${name}=${word}`)
  const parts = bom.components.map(({ name, version, licenses }) => [name, version, licenses?.[0]?.expression ?? ''])
  return [
    `Name       ${label.name}`,
    `Target     ${label.target}`,
    `Size       ${sizeToString(artefact.length)}`,
    `SHA-256    ${sha256(artefact)}`,
    `Engine     ${label.engine}`,
    `Built with ${Object.entries(label.builtWith)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    `Needs      ${attachments.length === 0 ? 'no device' : attachments.map(({ type, name }) => `${type} '${name}'`).join(', ')}`,
    `Keys       ${keys.join('\n           ')}`,
    `At boot    ${boot.length === 0 ? 'none' : boot.map((key) => `${key.name}${key.default === undefined ? ' (none)' : `=${key.default}`}`).join('\n           ')}`,
    ...(label.linked === undefined ? [] : [`Linked     ${summarizeLinked(label.linked).join('\n           ')}`]),
    `Inputs     ${Object.keys(inputs).length} files, with their digests: --inputs lists them`,
    'Parts',
    ...table(parts)
      .split('\n')
      .map((line) => `  ${line}`),
  ].join('\n')
}
