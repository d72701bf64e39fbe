/** From generated sources to the artefact. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { TARGETS } from '@mirage-ts/config/targets'
import { makeLabel } from './bill.ts'
import { type BundledSource, bundle } from './bundle.ts'
import { compiledRuntimeFor } from './compiled-runtime.ts'
import { type Configured, writeConfigured, writeContext } from './configure.ts'
import { UserError } from './errors.ts'
import { assembleImage } from './image.ts'
import { type Label, labelImage, labelProgram } from './label.ts'
import { whyLinked, withoutNames } from './linked.ts'
import { type Output, sizeToString, timed } from './output.ts'
import type { Project } from './project.ts'
import { featuresOf, runtimeFor } from './runtime.ts'
import { withTemporaryFolder } from './temporary.ts'
import { ensureToolchain, findToolchain, nativeParts, type Toolchain } from './toolchain.ts'
import { checkUnikernel } from './typecheck.ts'

/** An artefact, made but not yet written. */
export interface Artefact {
  /** `hello.mjs`: what it is called in `dist/`. */
  readonly name: string
  readonly contents: Uint8Array
  /** Goes beside it, `.map` after its name: for reading stacks. */
  readonly sourceMap: Uint8Array
  readonly label: Label
  /** Absolute paths of the files it was made from. */
  readonly inputs: readonly string[]
}

/** How an artefact is made. */
export interface BuildOptions {
  /** The program's functions are compiled to machine code. */
  readonly isNative?: boolean
}

/** Builds a configured unikernel: type-checks and bundles at once, and writes the artefact if both went well. */
export async function buildProject(
  configured: Configured,
  output: Output,
  options: BuildOptions = {},
): Promise<Artefact> {
  const start = performance.now()
  const { project, plan, target, context } = configured
  const artefact = await makeArtefact(configured, output, options)
  const outputs = await writeArtefact(project, artefact)
  await writeContext(project, { ...context, outputs: [...new Set([...context.outputs, ...outputs])].sort() })
  const seconds = ((performance.now() - start) / 1000).toFixed(2)
  output.print(`Built dist/${plan.name}${target.suffix} (${sizeToString(artefact.contents.length)}) in ${seconds} s`)
  return artefact
}

/** Writes an artefact and its source map to `dist/`; returns their paths, relative to the application's folder. */
export async function writeArtefact(project: Project, { name, contents, sourceMap }: Artefact): Promise<string[]> {
  const path = resolve(project.distFolder, name)
  await mkdir(project.distFolder, { recursive: true })
  // What begins with #! is to be run, and so is what Linux starts.
  await replace(path, contents, contents[0] === '#'.charCodeAt(0) || name.endsWith(TARGETS.spt.suffix))
  await replace(`${path}.map`, sourceMap, false)
  return [path, `${path}.map`].map((file) => relative(project.folder, file))
}

/** Writes the generated sources and makes the artefact of them; its place in `dist/` is left alone. */
export async function makeArtefact(
  configured: Configured,
  output: Output,
  options: BuildOptions = {},
): Promise<Artefact> {
  const { project, target, main } = configured
  await writeConfigured(configured)
  const check = timed(output, 'type-check', () => checkUnikernel(project, target, main))
  const made = target.hasHost ? makeProgram(configured, output) : makeImage(configured, check, options, output)
  const [errors, artefact] = await Promise.allSettled([check, made])
  if (errors.status === 'rejected') throw errors.reason
  // A type error explains more than what the bundler stumbled over because of it.
  if (errors.value.length > 0) throw new UserError(errors.value.join('\n'))
  if (artefact.status === 'rejected') throw artefact.reason
  return artefact.value
}

function nameOf({ plan, target }: Configured): string {
  return `${plan.name}${target.suffix}`
}

function inputsOf({ configInputs, assets }: Configured, sources: readonly BundledSource[]): readonly string[] {
  return [...configInputs, ...sources.map(({ file }) => file), ...assets.files]
}

/** A program for Node.js. */
async function makeProgram(configured: Configured, output: Output): Promise<Artefact> {
  const { project, plan, target } = configured
  const { code, sourceMap, sources } = await timed(output, 'bundle', () => bundle(project, target, plan))
  const label = await timed(output, 'label', async () => makeLabel(configured, sources, undefined))
  const inputs = inputsOf(configured, sources)
  return { name: nameOf(configured), contents: labelProgram(code, label), sourceMap, label, inputs }
}

/** An image that boots. */
async function makeImage(
  configured: Configured,
  check: Promise<string[]>,
  { isNative = false }: BuildOptions,
  output: Output,
): Promise<Artefact> {
  const { project, plan, target, assets } = configured
  const [state, { code, sourceMap, sources }, contents] = await Promise.all([
    findToolchain(),
    timed(output, 'bundle', () => bundle(project, target, plan)),
    Promise.all(assets.files.map((file) => readFile(file))),
  ])
  // Compiling the runtime takes a minute: not for a program that is wrong.
  if (!state.isCompiled && (await check).length > 0) throw new UserError((await check).join('\n'))
  const toolchain = await ensureToolchain(state, output)
  const text = new TextDecoder().decode(code)
  const compiled = withoutNames(text, sources)
  const bytecode = await timed(output, 'bytecode', () => compileBytecode(toolchain, compiled, plan.name))
  const runtimePath = isNative
    ? await compiledRuntimeFor(toolchain, target.name, bytecode, output)
    : await timed(output, 'link', () => runtimeFor(toolchain, target.name, bytecode))
  const [runtime, label] = await Promise.all([
    readFile(runtimePath),
    timed(output, 'label', async () => {
      const linked = whyLinked(text, sources, featuresOf(bytecode))
      return makeLabel(configured, sources, await nativeParts(toolchain, runtimePath), linked)
    }),
  ])
  const inputs = inputsOf(configured, sources)
  const image = assembleImage(runtime, { bytecode, assets: contents })
  return { name: nameOf(configured), contents: labelImage(image, label), sourceMap, label, inputs }
}

/** Compiles a bundle with the engine's own compiler. */
async function compileBytecode(toolchain: Toolchain, code: string, name: string): Promise<Uint8Array> {
  return await withTemporaryFolder(async (folder) => {
    const input = join(folder, `${name}.mjs`)
    const result = join(folder, `${name}.bc`)
    await writeFile(input, code)
    await promisify(execFile)(toolchain.bytecode, [input, result]).catch((error: { stderr?: string }) => {
      throw new UserError(`Cannot compile the bundle to bytecode: ${error.stderr?.trim() ?? String(error)}`)
    })
    return await readFile(result)
  })
}

/** Writes a file in one step, so that a running or copying reader sees the old or the new one. */
async function replace(path: string, contents: Uint8Array, isExecutable: boolean): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, contents)
  if (isExecutable) await chmod(temporary, 0o755)
  await rename(temporary, path)
}
