import { existsSync } from 'node:fs'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { oneOf, parseArgs } from '@mirage-ts/core/boot-args'
import type { Command } from '../command.ts'
import { UsageError, UserError } from '../errors.ts'
import { COMMON, DRY_RUN } from '../options.ts'
import { findPackage, ownPackage, type Package } from '../packages.ts'
import { TEMPLATES } from '../templates.ts'

/** `mirage init`: a new application. */
export const init: Command = {
  name: 'init',
  summary: 'make a new application that builds at once',
  details: `mirage init FOLDER writes config.ts, unikernel.ts, package.json and what an editor needs. The templates are:
  hello      waits a second and logs
  website    serves a folder over HTTP`,
  argument: 'FOLDER',
  options: {
    ...DRY_RUN,
    template: { type: oneOf('hello', 'website'), default: 'hello', doc: 'what to begin with' },
  },
  async run({ words, isDryRun, output }) {
    const parsed = parseArgs({ ...COMMON, ...this.options }, words)
    if (parsed.tag !== 'args')
      throw new UsageError(parsed.tag === 'error' ? parsed.message : 'Ask with mirage help init')
    const [given, ...more] = parsed.rest
    if (given === undefined || more.length > 0) throw new UsageError('Give one folder: mirage init my-unikernel')
    const folder = resolve(given)
    const name = basename(folder)
    if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
      throw new UsageError(`Cannot call an application '${name}': expected lowercase letters, digits, '-', '_' or '.'`)
    }
    if (existsSync(folder) && (await readdir(folder)).length > 0) {
      throw new UserError(`${given} is not empty: give a folder that is empty or not there yet`)
    }
    const template = parsed.args['template'] === 'website' ? TEMPLATES.website : TEMPLATES.hello
    const packages = template.packages.map((short) => ownDependency(`@mirage-ts/${short}`))
    const isInstalled = packages.every((wanted) => findPackage(wanted.name, dirname(folder)) !== undefined)
    const files = { ...template.files(name), 'package.json': packageJson(name, folder, packages, isInstalled) }
    for (const [path, text] of Object.entries(files)) {
      if (isDryRun) output.print(`would write ${join(given, path)}`)
      else {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), text)
      }
    }
    if (isDryRun) return 0
    if (!isInstalled) await linkPackages(folder, [...packages, ownPackage()])
    const enter = resolve('.') === folder ? '' : `cd ${given}, then `
    output.print(`Made ${name}. Next: ${enter}npx mirage run`)
    return 0
  },
}

function ownDependency(name: string): Package {
  const found = findPackage(name, ownPackage().folder)
  if (found === undefined) throw new UserError(`Package ${name} is not installed beside the tool`)
  return found
}

function packageJson(name: string, folder: string, packages: readonly Package[], isInstalled: boolean): string {
  const version = (wanted: Package) => (isInstalled ? wanted.version : `file:${relative(folder, wanted.folder)}`)
  const json = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    scripts: { build: 'mirage build', start: 'mirage run', dev: 'mirage dev' },
    dependencies: Object.fromEntries(packages.map((wanted) => [wanted.name, version(wanted)])),
    devDependencies: { [ownPackage().name]: version(ownPackage()) },
  }
  return `${JSON.stringify(json, null, 2)}\n`
}

/** Links the packages that the tool itself uses, as `npm install` would, where no registry has them. */
async function linkPackages(folder: string, packages: readonly Package[]): Promise<void> {
  for (const { name, folder: target } of packages) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(relative(dirname(link), target), link)
  }
  const command = join(folder, 'node_modules/.bin/mirage')
  await mkdir(dirname(command), { recursive: true })
  await symlink(relative(dirname(command), join(ownPackage().folder, 'bin/mirage.mjs')), command)
}
