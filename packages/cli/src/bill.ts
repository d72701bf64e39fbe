/** Writes the label of an artefact: digests of its inputs, and the bill of materials. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { BundledSource } from './bundle.ts'
import type { Configured } from './configure.ts'
import { esbuild } from './esbuild.ts'
import { type Bom, type BomComponent, type Label, sha256 } from './label.ts'
import type { Linked } from './linked.ts'
import { ownPackage, type Package, packageOf, sourceName } from './packages.ts'
import type { NativeParts } from './toolchain.ts'

/** Makes the label. `native` are the parts compiled from C, on a target that has them, and `linked` the reasons for them. */
export function makeLabel(
  configured: Configured,
  sources: readonly BundledSource[],
  native: NativeParts | undefined,
  linked?: Linked,
): Label {
  const { project, plan, target, assets, configInputs } = configured
  // Generated files follow from the others; a source of which nothing is left does not matter, but may again.
  const used = sources.filter(({ name }) => !name.startsWith('./mirage/'))
  const files = new Map(used.map(({ name, file }) => [name, file]))
  for (const file of [...configInputs, ...assets.files]) {
    const name = sourceName(project.folder, file)
    if (!name.startsWith('./mirage/')) files.set(name, file)
  }
  // One after the other: they have just been read, and a hundred promises would take longer than the files.
  const digests = [...files].map(([name, file]) => [name, sha256(readFileSync(file))] as const)
  const inputs = Object.fromEntries(digests.sort(([a], [b]) => (a < b ? -1 : 1)))
  const { attachments, choices, bootKeys } = plan
  return {
    name: plan.name,
    target: target.name,
    configured: Object.fromEntries(choices.map(({ key, word }) => [key.name, word])),
    boot: bootKeys.map((key) => ({
      name: key.name,
      ...(key.default === undefined ? {} : { default: key.default }),
      type: key.type.arg.wanted,
      doc: key.doc,
    })),
    attachments: attachments.map(({ instance: _, ...attachment }) => attachment),
    engine: native?.engine ?? 'Node.js 20.19 or later',
    ...(linked === undefined ? {} : { linked }),
    builtWith: { mirage: ownPackage().version, esbuild: esbuild().version, ...native?.builtWith },
    inputs,
    bom: makeBom(configured, used, inputs, native),
  }
}

function makeBom(
  { project, plan }: Configured,
  used: readonly BundledSource[],
  inputs: Readonly<Record<string, string>>,
  native: NativeParts | undefined,
): Bom {
  const own = packageOf(join(project.folder, 'package.json'))
  const packages = new Map<Package, BundledSource[]>()
  let ownBytes = 0
  for (const source of used) {
    const owner = source.name.startsWith('./') ? undefined : packageOf(source.file)
    if (owner === undefined) ownBytes += source.lenBytes
    else packages.set(owner, [...(packages.get(owner) ?? []), source])
  }
  const libraries = [...packages]
    .map(([owner, sources]) => component(owner, sources, inputs))
    .filter((part) => part !== undefined)
  const isOwn = own !== undefined && relative(own.folder, project.folder) === ''
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': plan.name,
        name: plan.name,
        version: isOwn ? own.version : '0',
        ...licenses(isOwn ? own.license : undefined),
        properties: [{ name: 'mirage:bytes', value: String(ownBytes) }],
      },
    },
    components: [...libraries, ...(native?.components ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

/** A package of which something is in the artefact. */
function component(
  { name, version, license }: Package,
  sources: readonly BundledSource[],
  inputs: Readonly<Record<string, string>>,
): BomComponent | undefined {
  const lenBytes = sources.reduce((sum, source) => sum + source.lenBytes, 0)
  if (lenBytes === 0) return undefined
  const lines = sources.map((source) => `${inputs[source.name]} ${source.name}\n`).sort()
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...licenses(license),
    // Of the files that are used: the digests of each, one a line.
    hashes: [{ alg: 'SHA-256', content: sha256(lines.join('')) }],
    properties: [{ name: 'mirage:bytes', value: String(lenBytes) }],
  }
}

function licenses(license: string | undefined): Pick<BomComponent, 'licenses'> {
  return license === undefined ? {} : { licenses: [{ expression: license }] }
}
