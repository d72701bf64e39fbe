/** For tests: an application in a folder of its own, and the command run in this process. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { mirage } from '../main.ts'

const NODE_MODULES = fileURLToPath(new URL('../../../../node_modules', import.meta.url))

/** Makes an application from the texts of its files; it goes away with the test. */
export function makeApp(context: TestContext, files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-app-'))
  context.after(() => rmSync(folder, { recursive: true }))
  symlinkSync(NODE_MODULES, join(folder, 'node_modules'))
  for (const [name, contents] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), contents)
  }
  return folder
}

/** What a command said. */
export interface Said {
  readonly status: number
  readonly out: string
  readonly error: string
}

/** Runs `mirage WORDS -f FOLDER/config.ts`. */
export async function runMirage(folder: string, ...words: readonly string[]): Promise<Said> {
  let out = ''
  let error = ''
  const [command = '', ...rest] = words
  const status = await mirage([command, `--file=${join(folder, 'config.ts')}`, ...rest], {
    out: (text) => {
      out += text
    },
    error: (text) => {
      error += text
    },
  })
  return { status, out, error }
}

export const HELLO_CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'

const hello = main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })

export default register('hello', [hello({ time: defaultTime, log: defaultLog })])
`

export const HELLO_UNIKERNEL = `import { ms } from '@mirage-ts/core/time'
import type { Log } from '@mirage-ts/signatures/log'
import type { Time } from '@mirage-ts/signatures/time'

export async function start({ time, log }: { time: Time; log: Log }): Promise<void> {
  await time.sleep(ms(1))
  log.logger('application').info('hello')
}
`
