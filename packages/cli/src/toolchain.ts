/**
 * The native parts: the runtime that images are made of, the bytecode compiler, the relay to taps. They are compiled
 * from source once for each version of their sources, engine and compiler, and kept in the user's cache.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from './cache-folder.ts'
import { UserError } from './errors.ts'
import { type BomComponent, sha256 } from './label.ts'
import { makeArguments, runMake } from './make.ts'
import { compilerVersion, DIGEST_CACHE, engineDigest, enginePackage, MUSL, versionDigest } from './native-digest.ts'
import type { Output } from './output.ts'
import { ownPackage } from './packages.ts'

/** Paths of the compiled native parts. */
export interface Toolchain {
  /** The runtime of target virtio with all parts of the library; `runtime.ts` finds the others, which lie beside it. */
  readonly runtime: string
  /** Compiles a bundle to bytecode. */
  readonly bytecode: string
  /** Starts an image of target spt with its devices. */
  readonly spt: string
  /** Carries frames between a tap and a Node.js program. */
  readonly tap: string
}

/** Where the native parts are, and whether they have been compiled yet. */
export interface ToolchainState {
  readonly folder: string
  readonly toolchain: Toolchain
  readonly isCompiled: boolean
}

/** Finds the native parts of this version. */
export async function findToolchain(): Promise<ToolchainState> {
  const folder = join(cacheFolder(), await versionDigest())
  const toolchain = {
    runtime: join(folder, 'runtime-virtio.elf'),
    bytecode: join(folder, 'mirage-bytecode'),
    spt: join(folder, 'mirage-spt'),
    tap: join(folder, 'mirage-tap'),
  }
  return {
    folder,
    toolchain,
    isCompiled: [...Object.values(toolchain), join(folder, VERSIONS)].every((file) => existsSync(file)),
  }
}

/** Compiles the native parts unless they are there. Several builds may do so at once: the first to finish wins. */
export async function ensureToolchain(state: ToolchainState, output: Output): Promise<Toolchain> {
  if (state.isCompiled) return state.toolchain
  requireTools()
  const temporary = join(cacheFolder(), `building-${process.pid}-${randomBytes(4).toString('hex')}`)
  const engine = join(cacheFolder(), `engine-${await engineDigest()}`)
  await mkdir(temporary, { recursive: true })
  try {
    if (existsSync(engine)) await copyEngineObjects(engine, temporary)
    await compile(temporary, output)
    await keepEngineObjects(temporary, engine)
    await writeFile(join(temporary, VERSIONS), JSON.stringify(await versions()))
    // The other objects stay: runtimes with fewer parts of the library are linked of them.
    await rm(join(temporary, 'obj-host'), { recursive: true })
    await rename(temporary, state.folder)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Another build was faster: its result is as good as ours.
    if (!(await findToolchain()).isCompiled) throw error
  }
  return state.toolchain
}

/** Parts of an image that were compiled from C. */
export interface NativeParts {
  /** Name and version of the engine. */
  readonly engine: string
  /** What they were compiled with. */
  readonly builtWith: Readonly<Record<string, string>>
  readonly components: readonly BomComponent[]
}

/** Versions of what goes into the native parts, kept beside them. */
interface Versions {
  readonly gcc: string
  readonly musl: string
  readonly engine: string
  readonly enginePackage: string
}

const VERSIONS = 'versions.json'

async function versions(): Promise<Versions> {
  const header = await readFile(join(dirname(enginePackage()), 'vendor/quickjs-ng/quickjs.h'), 'utf8')
  const part = (name: string) => new RegExp(`QJS_VERSION_${name} (\\d+)`).exec(header)?.[1]
  const { version } = JSON.parse(await readFile(enginePackage(), 'utf8')) as { version: string }
  const musl = await promisify(execFile)('dpkg-query', ['-s', 'musl-dev']).then(
    ({ stdout }) => /^Version: (.*)$/m.exec(stdout)?.[1] ?? 'unknown',
    // Not Debian.
    () => 'unknown',
  )
  return {
    gcc: await compilerVersion(),
    musl,
    engine: `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`,
    enginePackage: version,
  }
}

/** The native parts as an artefact's label tells them; `runtimeFile` is the runtime it is made of. */
export async function nativeParts(toolchain: Toolchain, runtimeFile: string): Promise<NativeParts> {
  const file = join(dirname(toolchain.runtime), VERSIONS)
  const { gcc, musl, engine, enginePackage } = JSON.parse(await readFile(file, 'utf8')) as Versions
  const runtime = sha256(await readFile(runtimeFile))
  const part = (name: string, version: string, license: string, purl?: string): BomComponent => ({
    type: 'library',
    'bom-ref': `${name}@${version}`,
    name,
    version,
    ...(purl === undefined ? {} : { purl }),
    licenses: [{ expression: license }],
  })
  return {
    engine: `QuickJS-ng ${engine}`,
    builtWith: { gcc: gcc.replace(/^gcc /, '') },
    components: [
      {
        ...part('mirage-runtime', ownPackage().version, 'ISC'),
        type: 'platform',
        hashes: [{ alg: 'SHA-256', content: runtime }],
      },
      part('musl', musl, 'MIT', `pkg:deb/debian/musl-dev@${musl}`),
      part('quickjs-ng', engine, 'MIT', `pkg:npm/%40scriptc/runtime@${enginePackage}`),
    ],
  }
}

/** Where make puts the engine's objects. */
const OBJECT_FOLDERS = ['obj-bare', 'obj-host']

/** Keeps the engine's objects, which take most of the time: they outlive changes of our own sources. */
async function keepEngineObjects(built: string, kept: string): Promise<void> {
  if (existsSync(kept)) return
  const temporary = `${kept}.${process.pid}`
  await copyEngineObjects(built, temporary)
  // Another build kept the same at the same time.
  await rename(temporary, kept).catch(() => rm(temporary, { recursive: true }))
}

async function copyEngineObjects(from: string, to: string): Promise<void> {
  for (const folder of OBJECT_FOLDERS) {
    await mkdir(join(to, folder), { recursive: true })
    const names = await readdir(join(from, folder))
    for (const name of names.filter((file) => file.startsWith('quickjs-'))) {
      // Their times become now, which make compares: they are right by the digest, whatever a checkout did to the sources.
      await cp(join(from, folder, name), join(to, folder, name))
    }
  }
}

/** Removes native parts of other versions than this one from the cache; returns their names. */
export async function pruneCache(isDryRun: boolean): Promise<string[]> {
  const others = ['configs', DIGEST_CACHE].map((name) => join(cacheFolder(), name))
  const kept = new Set([
    (await findToolchain()).folder,
    join(cacheFolder(), `engine-${await engineDigest()}`),
    ...others,
  ])
  // No cache: nothing to remove.
  const names = await readdir(cacheFolder()).catch(() => [])
  const old: string[] = []
  for (const name of names.sort()) {
    const path = join(cacheFolder(), name)
    // Another build may be at work in a folder that is being made.
    const isBusy = name.startsWith('building-') && Date.now() - (await stat(path)).mtimeMs < ABANDONED_MS
    if (!kept.has(path) && !isBusy) old.push(name)
  }
  if (!isDryRun) for (const name of old) await rm(join(cacheFolder(), name), { recursive: true, force: true })
  return old
}

/** A compilation that has not finished after an hour never will. */
const ABANDONED_MS = 3_600_000

/** Each tool that compiles the native parts and the Debian package it is in. */
export const TOOLS: readonly { readonly found: () => boolean; readonly name: string; readonly package: string }[] = [
  { found: () => isOnPath('gcc'), name: 'gcc', package: 'gcc' },
  { found: () => isOnPath('make'), name: 'make', package: 'make' },
  { found: () => existsSync('/usr/include/stdio.h'), name: "the C library's headers", package: 'libc6-dev' },
  { found: () => existsSync(MUSL), name: 'musl', package: 'musl-dev' },
]

function requireTools(): void {
  const missing = TOOLS.filter((tool) => !tool.found())
  if (missing.length === 0) return
  const names = missing.map((tool) => tool.name).join(', ')
  const packages = missing.map((tool) => tool.package).join(' ')
  throw new UserError(`Compiling the native runtime needs ${names}; on Debian: apt-get install ${packages}`)
}

/** True when a program called `name` can be found. */
export function isOnPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)))
}

async function compile(folder: string, output: Output): Promise<void> {
  const args = [...makeArguments(folder), 'runtime', 'host']
  const seconds = await runMake(args, 'the native runtime', 'once for this version, about a minute', output)
  output.progress(`Compiled the native runtime in ${seconds} s.`)
}
