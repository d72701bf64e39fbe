/** What the native parts depend on, as a digest: a change of any of it makes another runtime. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder } from './cache-folder.ts'
import { sha256 } from './label.ts'

/** Our C sources. */
export const NATIVE_FOLDER = fileURLToPath(new URL('../../../native/', import.meta.url))

/** The C library. */
export const MUSL = '/usr/lib/x86_64-linux-musl/libc.a'

/** Sources that go into the native parts. */
const SOURCES = ['Makefile', 'aot', 'bindings', 'engine', 'host', 'include']

/** Where the last digest is kept, in the cache. */
export const DIGEST_CACHE = 'digest.json'

/**
 * What the native parts depend on, as the name of their folder. To read it all and to ask the compiler takes longer than to
 * bundle a program, so it is done when a file has another time or length than before.
 */
export async function versionDigest(): Promise<string> {
  const files = SOURCES.flatMap(listFiles).sort()
  const stamps = sha256(
    [...files.map((file) => join(NATIVE_FOLDER, file)), enginePackage(), MUSL, compilerFile()].map(stampOf).join(''),
  )
  const cache = join(cacheFolder(), DIGEST_CACHE)
  const known = await readFile(cache, 'utf8').then(
    (text) => JSON.parse(text) as { readonly stamps?: string; readonly digest?: string },
    // The first time.
    () => undefined,
  )
  if (known?.stamps === stamps && known.digest !== undefined) return known.digest
  const hash = createHash('sha256').update(await engineDigest())
  for (const file of files) {
    const contents = readFileSync(join(NATIVE_FOLDER, file))
    hash.update(`${file} ${contents.length}\n`).update(contents)
  }
  const digest = hash.digest('hex').slice(0, 16)
  await mkdir(cacheFolder(), { recursive: true })
  await writeFile(`${cache}.${process.pid}`, JSON.stringify({ stamps, digest }))
  await rename(`${cache}.${process.pid}`, cache)
  return digest
}

function stampOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false })
  return `${file} ${stats?.mtimeMs} ${stats?.size}\n`
}

/** What the engine's objects depend on. */
export async function engineDigest(): Promise<string> {
  const { version } = JSON.parse(await readFile(enginePackage(), 'utf8')) as { version: string }
  const makefile = await readFile(join(NATIVE_FOLDER, 'Makefile'), 'utf8')
  const assertions = await readFile(join(NATIVE_FOLDER, 'engine/standard/assert.h'), 'utf8')
  // Not installed: requireTools says so when it is needed.
  const musl = await readFile(MUSL).then(sha256, () => 'none')
  return createHash('sha256')
    .update(`${version}\n${await compilerVersion()}\n${musl}\n${makefile}\n${assertions}`)
    .digest('hex')
    .slice(0, 16)
}

function listFiles(name: string): string[] {
  const path = join(NATIVE_FOLDER, name)
  if (!statSync(path).isDirectory()) return [name]
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(NATIVE_FOLDER.length))
}

/** The program that gcc is, links followed: a new version is another file. */
function compilerFile(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.map((folder) => join(folder, 'gcc')).find((file) => statSync(file, { throwIfNoEntry: false }))
  return found === undefined ? 'no compiler' : realpathSync(found)
}

/** The package.json of the engine's sources. */
export function enginePackage(): string {
  return createRequire(import.meta.url).resolve('@scriptc/runtime/package.json')
}

/** The first line that the compiler says of itself. */
export async function compilerVersion(): Promise<string> {
  try {
    return (await promisify(execFile)('gcc', ['--version'])).stdout.split('\n')[0] ?? ''
  } catch {
    // Not installed: requireTools says so when it is needed.
    return 'no compiler'
  }
}
