/** An application in another folder, with the packages of where it really is: for building it a second time. */
import { existsSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Configured, configureProject } from './configure.ts'
import { loadUnikernel, openProject, type Project } from './project.ts'
import { withTemporaryFolder } from './temporary.ts'

/**
 * Calls `fill` with a new folder, and `run` with the project that is in it then. The folder is of another depth than the
 * application's, and sees the same packages.
 */
export async function withProjectElsewhere<T>(
  project: Project,
  fill: (folder: string) => Promise<void>,
  run: (elsewhere: Project) => Promise<T>,
): Promise<T> {
  return await withTemporaryFolder(async (temporary) => {
    const linked = await linkNodeModules(project.folder, temporary)
    const depth = (folder: string) => folder.split('/').length
    const folder = join(linked, ...(depth(join(linked, 'app')) === depth(project.folder) ? ['deeper', 'app'] : ['app']))
    await mkdir(folder, { recursive: true })
    await fill(folder)
    const own = join(project.folder, 'node_modules')
    if (existsSync(own)) await symlink(own, join(folder, 'node_modules'))
    return await run(openProject(join(folder, project.configName)))
  })
}

/** Makes a folder from which modules are looked up in the `node_modules` above `from`, in the same order. */
async function linkNodeModules(from: string, root: string): Promise<string> {
  const found: string[] = []
  for (let at = dirname(from); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'node_modules'))) found.push(join(at, 'node_modules'))
  }
  let at = root
  for (const nodeModules of found.reverse()) {
    at = join(at, 'above')
    await mkdir(at)
    await symlink(nodeModules, join(at, 'node_modules'))
  }
  return at
}

/** Configures it with the words of `choices`. */
export async function configureElsewhere(project: Project, words: ReadonlyMap<string, string>): Promise<Configured> {
  return await configureProject(project, await loadUnikernel(project), words)
}

/** The files of an application: not what is generated, installed, or Git's own. */
export function isSource(project: Project, path: string): boolean {
  const own = ['node_modules', 'dist', 'mirage', '.git'].map((name) => join(project.folder, name))
  return !own.some((folder) => path === folder || path.startsWith(`${folder}/`))
}

/** The configure-time keys that were given, now or before. */
export function givenWords({ plan }: Configured): ReadonlyMap<string, string> {
  return new Map([
    ...plan.constants.filter(({ isGiven }) => isGiven).map(({ key, word }) => [key.name, word] as const),
    ['target', plan.choices.find(({ key }) => key.name === 'target')?.word ?? 'unix'] as const,
  ])
}
