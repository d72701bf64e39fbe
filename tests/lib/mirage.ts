/** Running the `mirage` command on copies of the examples, as a user would. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stop } from './processes.ts'

/** The root of the checkout. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

const MIRAGE = join(ROOT, 'packages/cli/bin/mirage.mjs')
const START_LIMIT_MS = 180_000 // the first run compiles the native parts

/** Makes a folder with these files, inside of the checkout, where the packages are found. Remove it when done. */
export function makeFolder(files: Readonly<Record<string, string>> = {}): string {
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'dist/test-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** Copies an example to a folder of its own, so that tests of several targets can run at once. Remove it when done. */
export function copyExample(path: string): { readonly folder: string; remove(): void } {
  const folder = makeFolder()
  cpSync(join(ROOT, 'examples', path), folder, {
    recursive: true,
    filter: (source) => !/\/(dist|mirage|node_modules)$/.test(source),
  })
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** What a command printed, and its exit status. */
export interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `mirage` in `folder` to its end. */
export async function mirage(folder: string, ...args: readonly string[]): Promise<Result> {
  const child = spawn(process.execPath, [MIRAGE, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout, stderr }
}

/** Builds; a failure is an error with what the tool said. */
export async function build(folder: string, ...args: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await mirage(folder, 'build', ...args)
  if (status !== 0) throw new Error(`mirage build ${args.join(' ')} failed:\n${stdout}${stderr}`)
}

/** A unikernel that runs. */
export class Running {
  output = ''
  private readonly process: ChildProcess

  private constructor(process: ChildProcess) {
    this.process = process
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk
      })
    }
  }

  /** Runs `mirage run` in `folder`, inside a network namespace if one is named, and waits until it prints `ready`. */
  static async start(
    folder: string,
    args: readonly string[],
    { ready, namespace }: { readonly ready: RegExp; readonly namespace?: string },
  ): Promise<Running> {
    const command = [process.execPath, MIRAGE, 'run', ...args]
    const words = namespace === undefined ? command : ['ip', 'netns', 'exec', namespace, ...command]
    const [file = '', ...rest] = words
    const running = new Running(spawn(file, rest, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }))
    try {
      await running.waitFor(ready)
    } catch (error) {
      await running.stop()
      throw error
    }
    return running
  }

  /** Waits until the output matches; rejects when it ends before, or takes too long. */
  async waitFor(pattern: RegExp): Promise<void> {
    const end = Date.now() + START_LIMIT_MS
    while (!pattern.test(this.output)) {
      if (this.process.exitCode !== null || this.process.signalCode !== null || Date.now() > end) {
        throw new Error(`Waited in vain for ${pattern}; the output was:\n${this.output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async stop(): Promise<void> {
    await stop(this.process)
  }
}
