/**
 * Records of builds in a Git repository, one branch for each unikernel and target, one commit for each build: its
 * sources, keys and digest, so that `git log`, `git bisect` and `git blame` answer what is in the unikernel that runs.
 * No working tree is touched.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { type Artefact, makeArtefact } from './build.ts'
import type { Configured } from './configure.ts'
import { configureElsewhere, givenWords, isSource, withProjectElsewhere } from './elsewhere.ts'
import { UserError } from './errors.ts'
import { type Label, sha256 } from './label.ts'
import type { Output } from './output.ts'
import type { Project } from './project.ts'
import { withTemporaryFolder } from './temporary.ts'

/** `mirage.json` of a record. */
interface Build {
  readonly name: string
  readonly target: string
  /** The configure-time keys given. */
  readonly keys: Readonly<Record<string, string>>
  /** Compiled to machine code. */
  readonly native?: boolean
  /** Of the artefact. */
  readonly sha256: string
}

/** Where a record goes. */
export interface RecordOptions {
  /** A Git repository; it is made when absent. */
  readonly repository: string
  /** The artefact itself is recorded, too. */
  readonly withImage: boolean
  /** It was compiled to machine code. */
  readonly isNative: boolean
}

/** Commits what `artefact` was made from. */
export async function record(
  configured: Configured,
  artefact: Artefact,
  { repository, withImage, isNative }: RecordOptions,
  output: Output,
): Promise<void> {
  const { project, plan, target } = configured
  const gitFolder = await openRepository(repository)
  const branch = branchOf(plan.name, target.name)
  const digest = sha256(artefact.contents)
  const build: Build = {
    name: plan.name,
    target: target.name,
    keys: Object.fromEntries(givenWords(configured)),
    ...(isNative ? { native: true } : {}),
    sha256: digest,
  }
  await withTemporaryFolder(async (temporary) => {
    const tree = join(temporary, 'tree')
    const source = join(tree, 'source')
    await cp(project.folder, source, { recursive: true, filter: (path) => isSource(project, path) })
    const lock = findLock(project.folder)
    if (lock !== undefined) await cp(lock, join(tree, 'package-lock.json'))
    await writeFile(join(tree, 'mirage.json'), `${JSON.stringify(build, null, 2)}\n`)
    await writeFile(join(tree, 'label.json'), `${JSON.stringify(artefact.label, null, 2)}\n`)
    if (withImage) {
      await mkdir(join(tree, 'dist'))
      await writeFile(join(tree, `dist/${plan.name}${target.suffix}`), artefact.contents)
    }
    const git = gitIn(gitFolder, tree, join(temporary, 'index'))
    await git('add', '--all', '--force', '.')
    const before = await git('rev-parse', '--verify', '--quiet', branch).catch(() => undefined)
    const subject = `${plan.name} for ${target.name}: ${digest.slice(0, 16)}`
    const written = await git('write-tree')
    const commit = await git('commit-tree', written, ...(before === undefined ? [] : ['-p', before]), '-m', subject)
    // Fails when somebody else recorded meanwhile; nothing is lost.
    await git('update-ref', branch, commit, before ?? '0'.repeat(commit.length))
    output.print(`Recorded ${commit.slice(0, 12)} on ${branch.replace('refs/heads/', '')} of ${repository}`)
  })
}

/** Builds what a record says again, with the packages that are installed now, and compares. */
export async function buildFromRecord(
  project: Project,
  repository: string,
  revision: string,
  output: Output,
): Promise<Artefact> {
  const gitFolder = gitFolderOf(repository)
  if (gitFolder === undefined) throw new UserError(`${repository} is no Git repository`)
  return await withTemporaryFolder(async (temporary) => {
    const tree = join(temporary, 'tree')
    await mkdir(tree)
    const git = gitIn(gitFolder, tree, join(temporary, 'index'))
    await git('read-tree', revision).catch((cause: unknown) => {
      throw new UserError(`${repository} has no record ${revision}`, { cause })
    })
    await git('checkout-index', '--all')
    const read = async (name: string) => JSON.parse(await readFile(join(tree, name), 'utf8'))
    const build = (await read('mirage.json')) as Build
    const label = (await read('label.json')) as Label
    const artefact = await withProjectElsewhere(
      project,
      (folder) => cp(join(tree, 'source'), folder, { recursive: true }),
      async (elsewhere) => {
        const configured = await configureElsewhere(elsewhere, new Map(Object.entries(build.keys)))
        return await makeArtefact(configured, output, { isNative: build.native === true })
      },
    )
    if (sha256(artefact.contents) !== build.sha256) {
      const changes = differences(label, artefact.label)
      throw new UserError(
        `${build.name} of record ${revision} cannot be built again as it was; since then changed:\n${changes.map((change) => `  ${change}\n`).join('')}`.trimEnd(),
      )
    }
    output.print(`Built ${build.name} for ${build.target} again: the same bytes as record ${revision}`)
    return artefact
  })
}

/** What differs between two builds, a line each. */
function differences(before: Label, now: Label): readonly string[] {
  const changed = (what: string, a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>) =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])]
      .filter((name) => a[name] !== b[name])
      .map((name) => (what === '' ? name : `${what} ${name}: ${a[name] ?? 'none'} was, ${b[name] ?? 'none'} is`))
  const digests = ({ bom }: Label) =>
    Object.fromEntries(bom.components.map(({ name, version, hashes }) => [name, hashes?.[0]?.content ?? version]))
  return [
    ...changed('built with', before.builtWith, now.builtWith),
    ...changed('', before.inputs, now.inputs),
    ...changed('part', digests(before), digests(now)),
  ]
}

function branchOf(name: string, target: string): string {
  return `refs/heads/mirage/${name}.${target}`
}

/** The nearest lock file: it fixes the versions of all packages. */
function findLock(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const lock = join(at, 'package-lock.json')
    if (existsSync(lock)) return lock
    if (at === dirname(at)) return undefined
  }
}

function gitFolderOf(repository: string): string | undefined {
  const folder = resolve(repository)
  if (existsSync(join(folder, '.git'))) return join(folder, '.git')
  return existsSync(join(folder, 'objects')) ? folder : undefined
}

async function openRepository(repository: string): Promise<string> {
  const found = gitFolderOf(repository)
  if (found !== undefined) return found
  const folder = resolve(repository)
  if (existsSync(folder)) throw new UserError(`${repository} is no Git repository: git init ${repository} makes it one`)
  await runGit(['init', '--quiet', '--bare', folder])
  return folder
}

/** Git on a repository with a working tree and an index of our own, and an identity for those who have told it none. */
function gitIn(gitFolder: string, tree: string, index: string): (...words: string[]) => Promise<string> {
  const env = {
    GIT_AUTHOR_NAME: 'mirage',
    GIT_AUTHOR_EMAIL: 'mirage@localhost',
    GIT_COMMITTER_NAME: 'mirage',
    GIT_COMMITTER_EMAIL: 'mirage@localhost',
    ...process.env,
    GIT_DIR: gitFolder,
    GIT_WORK_TREE: tree,
    GIT_INDEX_FILE: index,
  }
  return async (...words) => (await runGit(words, { env, cwd: tree })).trim()
}

async function runGit(
  words: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<string> {
  try {
    return (await promisify(execFile)('git', words, { ...options, maxBuffer: MAX_OUTPUT })).stdout
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') throw new UserError('Recording needs Git; on Debian: apt-get install git', { cause: error })
    throw new UserError(`git ${words[0]} failed: ${stderr?.trim() ?? String(error)}`, { cause: error })
  }
}

const MAX_OUTPUT = 64 * 1024 * 1024
