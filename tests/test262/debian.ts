/**
 * The files of test262 from Debian. No package carries them, but the source package of Mozilla's engine (mozjs128 in trixie) has
 * a converted copy among its own tests: apt fetches it, which checks signatures and sums, and it is converted back.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../packages/cli/src/cache-folder.ts'
import { harnessOf, originalOf } from './mozilla.ts'

const run = promisify(execFile)

/** Where machines without Debian packages of their own look. */
const DEFAULT_MIRROR = 'http://deb.debian.org/debian/'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** Of what test262 has; without internationalisation, which the engine does not know. */
const FOLDERS = ['language', 'built-ins', 'annexB', 'harness']
/** The folder of a finished copy has it; it names the package. */
const ORIGIN = 'ORIGIN'

/** A copy of test262 as its own repository has it, with folders `test` and `harness`. */
export interface Suite {
  readonly folder: string
  /** Where it is from. */
  readonly origin: string
}

/** Finds the files in the cache, else fetches them from `suite` of Debian (160 MB). */
export async function debianSuite(suite: string, say: (text: string) => void): Promise<Suite> {
  const folder = join(cacheFolder(), `test262-${suite}`)
  if (!existsSync(join(folder, ORIGIN))) await fetchSuite(suite, folder, say)
  return { folder, origin: (await readFile(join(folder, ORIGIN), 'utf8')).trim() }
}

async function fetchSuite(suite: string, folder: string, say: (text: string) => void): Promise<void> {
  const temporary = `${folder}-${process.pid}`
  await mkdir(temporary, { recursive: true })
  try {
    const apt = await privateApt(temporary, suite)
    const name = await sourcePackage(apt)
    say(`Fetching the source package ${name} of Debian ${suite}, 160 to 200 MB...`)
    await apt('apt-get', 'source', '--download-only', name)
    const files = await readdir(temporary)
    const archive = files.find((file) => /\.orig\.tar\.\w+$/.test(file))
    if (archive === undefined) throw new Error(`no *.orig.tar.* among ${files.join(', ')}`)
    say('Unpacking and converting...')
    const unpacked = join(temporary, 'unpacked')
    await mkdir(unpacked)
    const wanted = FOLDERS.map((path) => `*/js/src/tests/test262/${path}`)
    const shells = [
      '*/js/src/tests/test262/shell.js',
      '*/js/src/tests/test262/GIT-INFO',
      '*/js/src/tests/test262/LICENSE',
    ]
    const options = ['--wildcards', '--strip-components=5']
    await run('tar', ['-xf', join(temporary, archive), '-C', unpacked, ...options, ...wanted, ...shells])
    const converted = join(temporary, 'converted')
    const count = await convert(unpacked, converted)
    await cp(join(unpacked, 'LICENSE'), join(converted, 'LICENSE'))
    const info = await readFile(join(unpacked, 'GIT-INFO'), 'utf8')
    const [commit, date] = [/^commit (\w{12})/m, /^Date: +(.*)$/m].map((pattern) => pattern.exec(info)?.[1] ?? '?')
    const origin = `${archive.replace('.orig.tar.xz', '')} of Debian ${suite}: test262 ${commit}, ${date}; ${count} files`
    await writeFile(join(converted, ORIGIN), `${origin}\n`)
    await rename(converted, folder)
  } catch (cause) {
    const advice = `Fetching test262 from Debian ${suite} failed; --suite FOLDER names a copy of test262 to use instead`
    throw new Error(`${advice}: ${messageOf(cause)}`, { cause })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

function messageOf(cause: unknown): string {
  const { stderr, message } = cause as { stderr?: string; message: string }
  return stderr?.trim() || message
}

type Apt = (tool: string, ...words: string[]) => Promise<string>

/** apt with lists of its own: this machine's stay as they are. Files land in `folder`. */
async function privateApt(folder: string, suite: string): Promise<Apt> {
  const state = join(folder, 'apt')
  for (const name of ['lists/partial', 'cache/archives/partial']) await mkdir(join(state, name), { recursive: true })
  const keyring = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : ''
  await writeFile(join(state, 'sources.list'), `deb-src ${keyring}${await mirror()} ${suite} main\n`)
  const settings = {
    'Dir::Etc::SourceList': join(state, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(state, 'lists'),
    'Dir::Cache': join(state, 'cache'),
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const apt: Apt = async (tool, ...words) =>
    (await run(tool, [...options, ...words], { cwd: folder, maxBuffer: 1 << 28 })).stdout
  // Without this, apt takes a list that it could not fetch for a warning.
  await apt('apt-get', 'update', '-qq', '--error-on=any')
  return apt
}

/** The one this machine gets Debian's packages from. */
async function mirror(): Promise<string> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'])
  return stdout.split('\n').find((uri) => uri.endsWith('/debian/')) ?? DEFAULT_MIRROR
}

/** The newest of Mozilla's engine in the list of source packages. */
async function sourcePackage(apt: Apt): Promise<string> {
  const list = (await apt('apt-get', 'indextargets', '--format', '$(FILENAME)', 'Created-By: Sources')).trim()
  const text = await apt('/usr/lib/apt/apt-helper', 'cat-file', list)
  const versions = [...text.matchAll(/^Package: mozjs(\d+)$/gm)].map((match) => Number(match[1]))
  if (versions.length === 0) throw new Error('there is no source package mozjs*')
  return `mozjs${Math.max(...versions)}`
}

/** Undoes what Mozilla's script did; returns how many files there are. */
async function convert(from: string, to: string): Promise<number> {
  const harness = new Map<string, string>()
  let count = 0
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path)
    if (entry.name === 'shell.js') {
      for (const [name, text] of harnessOf(bytes.toString())) harness.set(name, text)
    } else if (/\.(js|json)$/.test(entry.name) && entry.name !== 'browser.js' && entry.parentPath !== from) {
      const target = join(to, 'test', path.slice(from.length))
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, originalOf(bytes))
      count++
    }
  }
  await mkdir(join(to, 'harness'), { recursive: true })
  for (const [name, text] of harness) await writeFile(join(to, 'harness', name), text)
  return count
}
