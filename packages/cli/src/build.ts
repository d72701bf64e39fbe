/** From generated sources to the artefact. */
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { bundle } from './bundle.ts'
import { type Configured, writeConfigured, writeContext } from './configure.ts'
import { UserError } from './errors.ts'
import { type Output, sizeToString, timed } from './output.ts'
import { checkUnikernel } from './typecheck.ts'

/** Builds a configured unikernel: type-checks and bundles at once, and writes the artefact if both went well. */
export async function buildProject(configured: Configured, output: Output): Promise<void> {
  const start = performance.now()
  const { project, plan, target, main, context } = configured
  await writeConfigured(configured)
  const [errors, made] = await Promise.allSettled([
    timed(output, 'type-check', () => checkUnikernel(project, main)),
    timed(output, 'bundle', () => make(configured, output)),
  ])
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

async function make({ project, plan, target }: Configured, _output: Output): Promise<Made[]> {
  const { code, sourceMap } = await bundle(project, target, plan.name)
  const path = resolve(project.distFolder, `${plan.name}${target.suffix}`)
  const made: Made[] = [{ path, contents: code, isExecutable: true }]
  if (sourceMap !== undefined) made.push({ path: `${path}.map`, contents: sourceMap, isExecutable: false })
  return made
}

/** Writes a file in one step, so that a running or copying reader sees the old or the new one. */
async function replace(path: string, contents: Uint8Array, isExecutable: boolean): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, contents)
  if (isExecutable) await chmod(temporary, 0o755)
  await rename(temporary, path)
}
