/**
 * config.ts and what it imports as one module, kept in the user's cache until one of these files changes: so a command need
 * not start the bundler to know what it is about. The module is run each time.
 */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cacheFolder } from './cache-folder.ts'
import { esbuild } from './esbuild.ts'
import { sha256 } from './label.ts'
import { findPackage, ownPackage } from './packages.ts'
import type { Project } from './project.ts'

/** A bundled configuration. */
export interface ConfigBundle {
  /** The file of the module. */
  readonly module: string
  /** What it was made from. */
  readonly inputs: readonly string[]
}

/** What the cache says of a configuration. */
interface Entry {
  readonly configFile: string
  /** Whose vocabulary is in it. */
  readonly language: string
  /** When each file was last modified, and its length. */
  readonly inputs: Readonly<Record<string, readonly [number, number]>>
  /** Of the module, in the same folder. */
  readonly name: string
}

/** Bundles the configuration of `project`, unless that has been done. Rejects with esbuild's `BuildFailure`. */
export async function bundleConfig(project: Project): Promise<ConfigBundle> {
  const folder = join(cacheFolder(), 'configs')
  const id = sha256(project.configFile).slice(0, 16)
  const language = languageOf(project)
  const entryFile = join(folder, `${id}.json`)
  const known = await readEntry(entryFile)
  if (known !== undefined && known.language === language && isFresh(known) && existsSync(join(folder, known.name))) {
    return { module: join(folder, known.name), inputs: Object.keys(known.inputs) }
  }
  const start = Date.now()
  const { outputFiles, metafile } = await esbuild().build({
    absWorkingDir: project.folder,
    entryPoints: [project.configFile],
    // For the paths in the source map.
    outfile: join(folder, 'config.mjs'),
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    sourcemap: 'inline',
    sourcesContent: false,
    // A configuration may read what lies beside it.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(project.configFile).href) },
    logLevel: 'silent',
  })
  const code = outputFiles[0]?.contents ?? new Uint8Array()
  const inputs = Object.keys(metafile.inputs).map((path) => realpathSync(resolve(project.folder, path)))
  const name = `${id}-${sha256(code).slice(0, 16)}.mjs`
  const stamps = inputs.map((file) => [file, stampOf(file)] as const)
  await mkdir(folder, { recursive: true })
  await replace(join(folder, name), code)
  // What was changed while it was read may be half of the one and half of the other.
  if (stamps.every(([, stamp]) => stamp[0] < start)) {
    const entry: Entry = { configFile: project.configFile, language, inputs: Object.fromEntries(stamps), name }
    await replace(entryFile, JSON.stringify(entry))
  }
  await forgetOld(folder)
  return { module: join(folder, name), inputs }
}

/** The package with the language, as config.ts finds it, and what bundles it: a change of either makes another module. */
function languageOf(project: Project): string {
  return `${findPackage('@mirage-ts/config', dirname(project.configFile))?.folder} ${ownPackage().version}`
}

async function readEntry(file: string): Promise<Entry | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Entry
  } catch {
    // Not bundled yet.
    return undefined
  }
}

function isFresh({ inputs }: Entry): boolean {
  return Object.entries(inputs).every(([file, [modified, lenBytes]]) => {
    const stamp = stampOf(file)
    return stamp[0] === modified && stamp[1] === lenBytes
  })
}

/** A file that is not there has a stamp like no other's. */
function stampOf(file: string): readonly [number, number] {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats === undefined ? [0, -1] : [stats.mtimeMs, stats.size]
}

/** In one step: several commands may run at once. */
async function replace(file: string, contents: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, contents)
  await rename(temporary, file)
}

/** A module that nobody asks for after an hour is not being imported any more. */
const OLD_MS = 3_600_000

/** Removes what was kept of configurations that are gone, and modules that others have replaced. */
async function forgetOld(folder: string): Promise<void> {
  const names = await readdir(folder)
  const current = new Set<string>()
  for (const name of names.filter((one) => one.endsWith('.json'))) {
    const entry = await readEntry(join(folder, name))
    if (entry !== undefined && existsSync(entry.configFile)) current.add(entry.name)
    else await rm(join(folder, name), { force: true })
  }
  for (const name of names.filter((one) => !one.endsWith('.json') && !current.has(one))) {
    // Another command may have removed it.
    const stats = await stat(join(folder, name)).catch(() => undefined)
    if (stats !== undefined && Date.now() - stats.mtimeMs > OLD_MS) await rm(join(folder, name), { force: true })
  }
}
