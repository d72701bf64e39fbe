/** From generated sources to the artefact. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { bundle } from './bundle.ts'
import { type Configured, writeConfigured, writeContext } from './configure.ts'
import { UserError } from './errors.ts'
import { assembleImage } from './image.ts'
import { type Output, sizeToString, timed } from './output.ts'
import { withTemporaryFolder } from './temporary.ts'
import { ensureToolchain, findToolchain, type Toolchain } from './toolchain.ts'
import { checkUnikernel } from './typecheck.ts'

/** Builds a configured unikernel: type-checks and bundles at once, and writes the artefact if both went well. */
export async function buildProject(configured: Configured, output: Output): Promise<void> {
  const start = performance.now()
  const { project, plan, target, main, context } = configured
  await writeConfigured(configured)
  const check = timed(output, 'type-check', () => checkUnikernel(project, main))
  const [errors, made] = await Promise.allSettled([check, make(configured, check, output)])
  if (errors.status === 'rejected') throw errors.reason
  // A type error explains more than what the bundler stumbled over because of it.
  if (errors.value.length > 0) throw new UserError(errors.value.join('\n'))
  if (made.status === 'rejected') throw made.reason
  await mkdir(project.distFolder, { recursive: true })
  for (const { path, contents, isExecutable } of made.value) await replace(path, contents, isExecutable)
  const outputs = made.value.map(({ path }) => relative(project.folder, path))
  await writeContext(project, { ...context, outputs: [...new Set([...context.outputs, ...outputs])].sort() })
  const size = sizeToString(made.value[0]?.contents.length ?? 0)
  const seconds = ((performance.now() - start) / 1000).toFixed(2)
  output.print(`Built dist/${plan.name}${target.suffix} (${size}) in ${seconds} s`)
}

/** A file of the artefact. */
interface Made {
  readonly path: string
  readonly contents: Uint8Array
  readonly isExecutable: boolean
}

async function make(configured: Configured, check: Promise<string[]>, output: Output): Promise<Made[]> {
  const { project, plan, target } = configured
  const path = resolve(project.distFolder, `${plan.name}${target.suffix}`)
  if (target.name === 'virtio') {
    return [{ path, contents: await makeImage(configured, check, output), isExecutable: false }]
  }
  const { code, sourceMap } = await timed(output, 'bundle', () => bundle(project, target, plan.name))
  const made: Made[] = [{ path, contents: code, isExecutable: true }]
  if (sourceMap !== undefined) made.push({ path: `${path}.map`, contents: sourceMap, isExecutable: false })
  return made
}

async function makeImage(configured: Configured, check: Promise<string[]>, output: Output): Promise<Uint8Array> {
  const { project, plan, target, assets } = configured
  const [state, { code }, contents] = await Promise.all([
    findToolchain(),
    timed(output, 'bundle', () => bundle(project, target, plan.name)),
    Promise.all(assets.files.map((file) => readFile(file))),
  ])
  // Compiling the runtime takes a minute: not for a program that is wrong.
  if (!state.isCompiled && (await check).length > 0) return new Uint8Array()
  const toolchain = await ensureToolchain(state, output)
  const [runtime, bytecode] = await Promise.all([
    readFile(toolchain.runtime),
    timed(output, 'bytecode', () => compileBytecode(toolchain, code, plan.name)),
  ])
  return assembleImage(runtime, { bytecode, assets: contents })
}

/** Compiles a bundle with the engine's own compiler. */
async function compileBytecode(toolchain: Toolchain, code: Uint8Array, name: string): Promise<Uint8Array> {
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
