/** npm packages: where one is installed, and which one a file belongs to. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** An installed package. */
export interface Package {
  readonly name: string
  readonly version: string
  /** Its licence, an SPDX expression, as its author states it. */
  readonly license: string | undefined
  /** Absolute, links followed. */
  readonly folder: string
}

/** The package called `name` as a module in `folder` would find it. */
export function findPackage(name: string, folder: string): Package | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const candidate = join(at, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return readPackage(realpathSync(candidate))
    if (at === dirname(at)) return undefined
  }
}

/** The package that a file belongs to. */
export function packageOf(file: string): Package | undefined {
  for (let at = dirname(file); at !== dirname(at); at = dirname(at)) {
    const found = existsSync(join(at, 'package.json')) ? readPackage(at) : undefined
    // A package.json without a name only says how the files beside it are to be read.
    if (found !== undefined && found.name !== '') return found
  }
  return undefined
}

const known: Map<string, Package> = new Map()

function readPackage(folder: string): Package {
  const before = known.get(folder)
  if (before !== undefined) return before
  const json = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>
  const text = (field: string) => (typeof json[field] === 'string' ? json[field] : undefined)
  const found = { name: text('name') ?? '', version: text('version') ?? '0', license: text('license'), folder }
  known.set(folder, found)
  return found
}

/** `left-pad` of `left-pad/lib/x.js`; `undefined` for a relative module. */
export function packageName(module: string): string | undefined {
  return /^(@[^/]+\/)?[^./@][^/]*/.exec(module)?.[0]
}

/** The tool's own package. */
export function ownPackage(): Package {
  return readPackage(fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''))
}

/**
 * What a source file is called in an artefact: the same wherever the application and the packages are. `./unikernel.ts`
 * for the application's own, `@mirage-ts/core/src/log.ts` for a package's.
 */
export function sourceName(appFolder: string, file: string): string {
  const inApp = relative(appFolder, file)
  if (!inApp.startsWith('..') && !inApp.startsWith('node_modules/')) return `./${inApp}`
  const owner = packageOf(file)
  return owner === undefined ? `./${inApp}` : `${owner.name}/${relative(owner.folder, file)}`
}
