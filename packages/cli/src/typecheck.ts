/** The type checker, run as the native program it is; its errors are reported where the user can change something. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import type { GeneratedMain } from '@mirage-ts/config/generate'
import type { Target } from '@mirage-ts/config/targets'
import { UserError } from './errors.ts'
import { findPackage, ownPackage } from './packages.ts'
import { generatedFolder, type Project, showPlace } from './project.ts'
import { withTemporaryFolder } from './temporary.ts'

/** The options of generated code: those of a strict project without any environment of its own. */
function tsconfig(files: readonly string[], types: Readonly<Record<string, unknown>> = { types: [] }): string {
  const compilerOptions = {
    target: 'ES2024',
    lib: ['ES2024'],
    ...types,
    module: 'ESNext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    noEmit: true,
    // Half of the time when little has changed.
    incremental: true,
    tsBuildInfoFile: 'checked.tsbuildinfo',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    isolatedModules: true,
    skipLibCheck: true,
  }
  return `${JSON.stringify({ compilerOptions, files }, null, 2)}\n`
}

/** The tsconfig of a generated folder. */
export function generatedTsconfig(project: Project, target: Target): string {
  const files = [`../../${project.configName}`, '../keys.d.ts', 'assets.d.ts', 'main.ts']
  return tsconfig(files, target.hasHost ? nodeTypes(project, target) : { types: [] })
}

/** The types of Node.js: those of the application, or else the tool's own. */
function nodeTypes(project: Project, target: Target): Readonly<Record<string, unknown>> {
  if (findPackage('@types/node', project.folder) !== undefined) return { types: ['node'] }
  const own = findPackage('@types/node', ownPackage().folder)
  if (own === undefined) throw new UserError('The types of Node.js are not installed: npm install -D @types/node')
  return { types: ['node'], typeRoots: [relative(generatedFolder(project, target), dirname(own.folder))] }
}

/** The type errors of config.ts alone, for when it could not be run; one per line, each with its place. */
export async function checkConfig(project: Project): Promise<string[]> {
  return await withTemporaryFolder(async (folder) => {
    const file = join(folder, 'tsconfig.json')
    await writeFile(file, tsconfig([project.configFile]))
    return showErrors(await check(project, file))
  })
}

/** The type errors of the whole unikernel. An error in generated code is told of the device it is about. */
export async function checkUnikernel(project: Project, target: Target, main: GeneratedMain): Promise<string[]> {
  const folder = generatedFolder(project, target)
  const errors = await check(project, resolve(folder, 'tsconfig.json'))
  const generated = relative(project.folder, resolve(folder, 'main.ts'))
  const written = errors.filter((error) => error.file !== generated && error.file !== '')
  // Wrong wiring shows again in generated code: once is enough.
  if (written.length > 0) return showErrors(written)
  const lines = errors.map((error) => {
    const instance = main.lines.get(error.line)
    if (instance === undefined) return `${project.configName}: ${error.message}`
    const { create, from } = instance.node
    return `${showPlace(project, instance.place)}: ${explain(error, create, from)}`
  })
  return [...new Set(lines)]
}

function showErrors(errors: readonly Diagnostic[]): string[] {
  // An unknown kind makes every device given for it wrong too.
  const isConsequence = (error: Diagnostic) => error.message.includes("to type 'Device<Kind>'")
  return errors.filter((error) => errors.every(isConsequence) || !isConsequence(error)).map(showError)
}

function showError({ file, line, column, message }: Diagnostic): string {
  const at = `${file}:${line}:${column}`
  const [, got, wanted] = /^Type 'Device<"([^"]+)">' is not assignable to type 'Device<"([^"]+)">'/.exec(message) ?? []
  if (got !== undefined) return `${at} Expected a device of kind ${wanted}, got one of kind ${got}`
  const [, kind] = /^Type '"([^"]+)"' is not assignable to type 'Kind'/.exec(message) ?? []
  if (kind !== undefined) return `${at} There is no kind of device called '${kind}'`
  const [, name] = /^(?:Property|Argument) '([^']+)' is missing in type .*Device</s.exec(message) ?? []
  if (name !== undefined) return `${at} Dependency '${name}' is missing`
  const [, names] = /is missing the following properties from type .*Device<.*}': (.+)$/s.exec(message) ?? []
  if (names !== undefined) return `${at} Dependencies ${names} are missing`
  if (/^(Property '\w+' is missing in type|Type) 'BootKey<.*' .* type 'ConfigureKey</.test(message)) {
    return `${at} An argument of the booted unikernel cannot choose devices: make it a configureKey`
  }
  // The cases of a match may be left out, dependencies may not.
  const [, word] =
    /specify known properties, and '?([^' ]+)'? does not exist in type '\{ readonly [^:]+\?: Device</.exec(message) ??
    []
  if (word !== undefined) return `${at} '${word}' is no word of this key`
  const [, excess] =
    /may only specify known properties, and '([^']+)' does not exist in type .*Device</s.exec(message) ?? []
  if (excess !== undefined) return `${at} There is no dependency '${excess}' to give`
  const [, module] = /^Cannot find (?:module|name) '(node:[^']+)'/.exec(message) ?? []
  if (module !== undefined) return `${at} ${module} needs Node.js, which this target does not have`
  return `${at} ${message}`
}

function explain(error: Diagnostic, create: string, from: string): string {
  if (error.code === 2307) return `There is no module ${from}`
  if (error.code === 2305 || error.code === 2724) return `Module ${from} exports no ${create}`
  return `${create} of ${from} does not fit: ${error.message}`
}

/** What the type checker found. */
interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly code: number
  readonly message: string
}

/** The native executable of the type checker: TypeScript 7 starts it through a script that costs more than it does. */
function checker(): string {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json')
  const platform = `@typescript/typescript-${process.platform}-${process.arch}/package.json`
  const suffix = process.platform === 'win32' ? '.exe' : ''
  return resolve(dirname(createRequire(typescript).resolve(platform)), 'lib', `tsc${suffix}`)
}

async function check(project: Project, tsconfigFile: string): Promise<Diagnostic[]> {
  const args = ['--noEmit', '--pretty', 'false', '-p', tsconfigFile]
  const { status, text } = await new Promise<{ status: number | null; text: string }>((done, failed) => {
    const child = spawn(checker(), args, { cwd: project.folder, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    child.on('error', failed)
    child.on('close', (status) => done({ status, text }))
  })
  const errors = parseErrors(text)
  if (status !== 0 && errors.length === 0) throw new UserError(`The type checker failed (${status}): ${text.trimEnd()}`)
  return errors
}

/** Reads the checker's plain output; continuation lines are indented. */
function parseErrors(text: string): Diagnostic[] {
  const errors: Diagnostic[] = []
  for (const line of text.split('\n')) {
    const [, file, row, column, code, message] = /^(.*?)\((\d+),(\d+)\): error TS(\d+): (.*)$/.exec(line) ?? []
    const last = errors.at(-1)
    if (file !== undefined && message !== undefined) {
      errors.push({ file, line: Number(row), column: Number(column), code: Number(code), message })
    } else if (/^error TS/.test(line)) errors.push({ file: '', line: 0, column: 0, code: 0, message: line })
    else if (line.startsWith('  ') && last !== undefined) {
      errors[errors.length - 1] = { ...last, message: `${last.message}\n${line}` }
    }
  }
  return errors
}
