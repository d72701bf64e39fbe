/** Tests of a copy of test262: which there are, how each must be run, and why some are not. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Frontmatter, frontmatterOf } from './frontmatter.ts'

/** A test runs as sloppy and as strict code, unless it says otherwise (INTERPRETING.md, "Strict Mode"). */
export type Mode = 'sloppy' | 'strict' | 'module' | 'raw'

export interface Test {
  /** From the folder `test`, such as `language/comments/hashbang/module.js`. */
  readonly path: string
  readonly text: Buffer
  readonly about: Frontmatter
  readonly modes: readonly Mode[]
  /** Why it cannot be run here. */
  readonly skipped?: string
}

const IN_THE_WAY: readonly {
  readonly reason: string
  readonly applies: (about: Frontmatter, text: Buffer) => boolean
}[] = [
  {
    reason: 'needs several agents (threads)',
    applies: ({ includes, flags }, text) =>
      includes.includes('atomicsHelper.js') || flags.includes('CanBlockIsTrue') || text.includes('$262.agent'),
  },
  {
    reason: 'feature FinalizationRegistry.prototype.cleanupSome, which the runtime is without',
    applies: ({ includes }) => includes.includes('async-gc.js'),
  },
  { reason: 'needs Intl, which the runtime is without', applies: ({ includes }) => includes.includes('testIntl.js') },
]

/**
 * By the names of test262's features.txt: proposals that QuickJS-ng 0.15 does not have, or that were withdrawn; and Atomics,
 * which images are without, for they have one thread (see native/README.md).
 */
const ABSENT_FEATURES: readonly string[] = [
  'Atomics',
  'Atomics.waitAsync',
  'FinalizationRegistry.prototype.cleanupSome',
  'Intl-enumeration',
  'ShadowRealm',
  'Temporal',
  'decorators',
  'explicit-resource-management',
  'import-assertions',
  'import-defer',
  'legacy-regexp',
  'source-phase-imports',
  'tail-call-optimization',
]

/** The tests below `paths` of the folder `test`, in order. A path may name a file. Throws an Error when there is none. */
export function testsOf(folder: string, paths: readonly string[]): Test[] {
  const tests: Test[] = []
  for (const path of paths) {
    const files = filesBelow(join(folder, 'test'), path).filter(isTest)
    if (files.length === 0) throw new Error(`No test at ${join(folder, 'test', path)}`)
    for (const file of files) tests.push(testOf(folder, file))
  }
  return tests
}

const isTest = (path: string) => path.endsWith('.js') && !isFixture(path)
const isFixture = (path: string) => /_FIXTURE\.(js|json)$/.test(path) || path.endsWith('.json')

function testOf(folder: string, path: string): Test {
  const text = readFileSync(join(folder, 'test', path))
  const about = frontmatterOf(text.toString('latin1'))
  const feature = about.features.find((name) => ABSENT_FEATURES.includes(name))
  const reason =
    feature === undefined
      ? IN_THE_WAY.find(({ applies }) => applies(about, text))?.reason
      : `feature ${feature}, which the runtime is without`
  return { path, text, about, modes: modesOf(about.flags), ...(reason === undefined ? {} : { skipped: reason }) }
}

function modesOf(flags: readonly string[]): readonly Mode[] {
  if (flags.includes('module')) return ['module']
  if (flags.includes('raw')) return ['raw']
  if (flags.includes('onlyStrict')) return ['strict']
  if (flags.includes('noStrict')) return ['sloppy']
  return ['sloppy', 'strict']
}

/** What tests import, and the harness; by the names the engine sees. */
export function supportOf(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const add = (path: string): string => {
    const text = readFileSync(join(folder, 'test', path))
    files.set(path, text)
    return text.toString('latin1')
  }
  // Some import a test, which may not be among those that are run.
  for (const path of filesBelow(join(folder, 'test'), '.').filter(isFixture))
    for (const [, name = ''] of add(path).matchAll(/\bfrom '(\.[^']*)'/g))
      if (isTest(name) && existsSync(join(folder, 'test', dirname(path), name))) add(join(dirname(path), name))
  for (const path of filesBelow(folder, 'harness')) files.set(path, readFileSync(join(folder, path)))
  return files
}

function filesBelow(folder: string, path: string): string[] {
  const full = join(folder, path)
  if (!existsSync(full)) return []
  if (statSync(full).isFile()) return [path]
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}
