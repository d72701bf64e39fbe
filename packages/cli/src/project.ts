/** An application: its folder, its config.ts, and what was chosen for it. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Unikernel } from '@mirage-ts/config'
import { isConfigError, type Place, stackPlaces } from '@mirage-ts/config/place'
import type { Target } from '@mirage-ts/config/targets'
import { bundleConfig } from './config-bundle.ts'
import { UserError } from './errors.ts'
import { importModule } from './import-module.ts'
import { checkConfig } from './typecheck.ts'

/** Where an application is. */
export interface Project {
  /** Absolute; everything generated is below it. */
  readonly folder: string
  /** `config.ts`. */
  readonly configName: string
  readonly configFile: string
  /** `mirage/`: what is remembered, and a folder of generated sources for each target. */
  readonly mirageFolder: string
  readonly distFolder: string
}

/** What `configure` remembers for the commands after it. */
export interface Context {
  /** Words of the configure-time keys that were given. */
  readonly keys: Readonly<Record<string, string>>
  /** Artefacts built so far, relative to the folder: what `clean` may remove. */
  readonly outputs: readonly string[]
}

/** Finds the application whose configuration is `file`. */
export function openProject(file: string): Project {
  const configFile = resolve(file)
  if (!existsSync(configFile)) {
    const folder = relative('.', dirname(configFile)) || 'this folder'
    throw new UserError(
      `There is no ${basename(configFile)} in ${folder}: go to an application's folder, or give -f FILE`,
    )
  }
  const folder = dirname(configFile)
  return {
    folder,
    configName: basename(configFile),
    configFile,
    mirageFolder: resolve(folder, 'mirage'),
    distFolder: resolve(folder, 'dist'),
  }
}

/** Where the generated sources for a target are. */
export function generatedFolder(project: Project, target: Target): string {
  return resolve(project.mirageFolder, target.name)
}

/** A configuration that was run. */
export interface LoadedConfig {
  readonly unikernel: Unikernel
  /** The application's files it was read from: config.ts and what it imports. */
  readonly configInputs: readonly string[]
}

/** Runs config.ts and returns what it registers. */
export async function loadUnikernel(project: Project): Promise<LoadedConfig> {
  let loaded: { readonly exports: { readonly default?: unknown }; readonly inputs: readonly string[] }
  try {
    loaded = await importTypeScript(project)
  } catch (error) {
    throw await configFailure(project, error)
  }
  const unikernel = loaded.exports.default
  if (typeof unikernel !== 'object' || unikernel === null || !('tag' in unikernel) || unikernel.tag !== 'unikernel') {
    throw new UserError(
      `${project.configName}: has no unikernel; it should end with: export default register('name', [...])`,
    )
  }
  const isOwn = (file: string) => !relative(project.folder, file).startsWith('..') && !file.includes('/node_modules/')
  return { unikernel: unikernel as Unikernel, configInputs: loaded.inputs.filter(isOwn) }
}

/** Runs config.ts; lines of its stacks are those of the sources. */
async function importTypeScript(
  project: Project,
): Promise<{ readonly exports: { readonly default?: unknown }; readonly inputs: readonly string[] }> {
  process.setSourceMapsEnabled(true)
  const { module, inputs } = await bundleConfig(project)
  imports++
  // As often as it is asked for: what config.ts reads may have changed.
  const exports = await importModule(`${pathToFileURL(module).href}?${imports}`)
  return { exports: exports as { readonly default?: unknown }, inputs }
}

/** How often a configuration was run in this process. */
let imports = 0

/** What to tell the user of a configuration that threw: its type errors if it has any, since they explain more. */
export async function configFailure(project: Project, error: unknown): Promise<UserError> {
  const typeErrors = await checkConfig(project)
  if (typeErrors.length > 0) return new UserError(typeErrors.join('\n'), { cause: error })
  if (isConfigError(error)) {
    return new UserError(`${showPlace(project, error.place)}: ${error.message}`, { cause: error })
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const place = stackPlaces(error instanceof Error ? (error.stack ?? '') : '').find(
    ({ file }) => file.startsWith(`${project.folder}/`) && !file.includes('/node_modules/'),
  )
  return new UserError(`${place === undefined ? project.configName : showPlace(project, place)}: ${message}`, {
    cause: error,
  })
}

/** `config.ts:12`. */
export function showPlace(project: Project, place: Place | undefined): string {
  if (place === undefined) return project.configName
  return `${relative(project.folder, place.file)}:${place.line}`
}

const CONTEXT_FILE = 'context.json'

/** What was remembered; nothing when the project is not configured. */
export async function readContext(project: Project): Promise<Context | undefined> {
  try {
    return JSON.parse(await readFile(contextFile(project), 'utf8')) as Context
  } catch {
    // Not configured, or damaged: configuring again writes it.
    return undefined
  }
}

export function contextFile(project: Project): string {
  return resolve(project.mirageFolder, CONTEXT_FILE)
}
