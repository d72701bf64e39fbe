/** Runs make on the native sources. */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { UserError } from './errors.ts'
import { enginePackage, NATIVE_FOLDER } from './native-digest.ts'
import type { Output } from './output.ts'

/** Where the engine's sources are. */
export function engineFolder(): string {
  return resolve(dirname(enginePackage()), 'vendor/quickjs-ng')
}

/** What make needs to know to build in `folder`; goals follow. */
export function makeArguments(folder: string): string[] {
  return ['-C', NATIVE_FOLDER, `ENGINE=${engineFolder()}`, `OUT=${folder}`]
}

/** Compiles `what`, which takes as long as `howLong` says; tells the user so, and resolves with the seconds it took. */
export async function runMake(args: readonly string[], what: string, howLong: string, output: Output): Promise<number> {
  const all = [`-j${availableParallelism()}`, ...args]
  output.progress(`Compiling ${what}: ${howLong}...`)
  output.detail(`make ${all.join(' ')}`)
  const start = performance.now()
  const seconds = () => Math.round((performance.now() - start) / 1000)
  const ticker = setInterval(() => output.progress(`  still compiling, ${seconds()} s`), 10_000)
  try {
    await new Promise<void>((done, failed) => {
      const child = spawn('make', all, { stdio: ['ignore', 'pipe', 'pipe'] })
      let text = ''
      const collect = (chunk: string) => {
        text += chunk
      }
      child.stdout.setEncoding('utf8').on('data', collect)
      child.stderr.setEncoding('utf8').on('data', collect)
      child.on('error', failed)
      child.on('close', (status) => {
        if (status === 0) done()
        else failed(new UserError(`Compiling ${what} failed:\n${text.trimEnd()}`))
      })
    })
  } finally {
    clearInterval(ticker)
  }
  return seconds()
}
