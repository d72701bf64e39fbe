/**
 * What every command prints for two examples on every target, as a user sees it, compared with `cli-transcripts/`.
 * UPDATE_GOLDENS in the environment writes them, to be read in review. Sizes, times, digests and versions are masked.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { mirage as mirageHere } from '../packages/cli/src/main.ts'
import { copyExample, mirage, ROOT } from './lib/mirage.ts'

const EXAMPLES = [
  { name: 'hello', path: 'tutorial/hello', wrong: ['run', '--', '--hlep'] },
  { name: 'static-website', path: 'applications/static-website', wrong: ['run', '--net', 'service=tap:absent0'] },
]
const TARGETS = [
  { target: 'unix', suffix: 'mjs' },
  { target: 'spt', suffix: 'spt' },
  { target: 'virtio', suffix: 'virtio' },
]
const COMMANDS = 'init configure build run dev describe query inspect doctor clean disk completion'.split(' ')

/** Runs a command in this process and returns what it printed, both streams in their order. */
async function show(folder: string, words: readonly string[]): Promise<string> {
  let text = ''
  const write = (more: string) => {
    text += more
  }
  const [command = '', ...rest] = words
  const file = folder === '' ? [] : [`--file=${join(folder, 'config.ts')}`]
  const status = await mirageHere([command, ...file, ...rest], { out: write, error: write })
  return `${text}${status === 0 ? '' : `[status ${status}]\n`}`
}

function mask(text: string): string {
  return (
    text
      .replace(/\r/g, '')
      // On a clean clone the first build compiles the native runtime, and says so.
      .replace(/^(Compiling the native runtime| +still compiling|Compiled the native runtime).*\n/gm, '')
      .replace(/[\d.]+ (kB|MB|B)\b/g, 'SIZE')
      .replace(/ in [\d.]+ s\b/g, ' in TIME')
      .replace(/\b[0-9a-f]{64}\b/g, 'DIGEST')
      .replace(/^(Engine {5}QuickJS-ng ).*$/m, '$1VERSION')
      .replace(/^Built with .*$/m, 'Built with VERSIONS')
      .replace(/^(Inputs {5})\d+/m, '$1COUNT')
      // Which they are changes with the sources of the libraries.
      .replace(/^(Linked {5})(?!known).*(\n {11}.*)*$/m, '$1PARTS')
      .replace(/^( {2}(?:musl|quickjs-ng|mirage-runtime|@\S+)) .*$/gm, '$1 VERSION')
  )
}

/** Sizes are checked where they matter; here only which parts there are. */
function maskSizes(text: string): string {
  return text.replace(/ +\d+$/gm, ' OCTETS')
}

function golden(name: string, text: string): void {
  const folder = join(import.meta.dirname, 'cli-transcripts')
  const file = join(folder, `${name}.txt`)
  if (process.env['UPDATE_GOLDENS'] !== undefined) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, text)
  }
  assert.equal(text, existsSync(file) ? readFileSync(file, 'utf8') : '', `${relative(ROOT, file)}: update it`)
}

test('transcript: help of every command', async () => {
  let text = ''
  for (const words of [['help'], ...COMMANDS.map((command) => ['help', command])]) {
    text += `$ mirage ${words.join(' ')}\n${await show('', words)}\n`
  }
  golden('help', text)
})

for (const { name, path, wrong } of EXAMPLES) {
  for (const { target, suffix } of TARGETS) {
    test(`transcript: ${name} on ${target}`, async () => {
      const { folder, remove } = copyExample(path)
      let text = ''
      const tell = async (words: readonly string[], change = mask) => {
        const said = change(await show(folder, words))
        text += `$ mirage ${words.join(' ')}\n${said}${said.endsWith('\n') ? '' : '\n'}\n`
      }
      try {
        await tell(['describe', '-t', target])
        await tell(['describe', '-t', target, '--dot'])
        await tell(['configure', '-t', target, '--dry-run'])
        await tell(['configure', '-t', target])
        for (const info of ['name', 'target', 'keys', 'boot', 'devices', 'packages', 'files', 'main']) {
          await tell(['query', info])
        }
        await tell(['build', '--dry-run'])
        await tell(['build'])
        await tell(['query', 'size'], maskSizes)
        const inspected = await show('', ['inspect', join(folder, `dist/${name}.${suffix}`)])
        text += `$ mirage inspect dist/${name}.${suffix}\n${mask(inspected)}\n`
        const run = await mirage(folder, 'run', '--', '--help')
        text += `$ mirage run -- --help\n${mask(run.stdout + run.stderr)}[status ${run.status}]\n\n`
        for (const words of [wrong, ['run', '--nte', 'x']]) {
          const { stdout, stderr, status } = await mirage(folder, ...words)
          text += `$ mirage ${words.join(' ')}\n${mask(stdout + stderr)}[status ${status}]\n\n`
        }
        await tell(['clean', '--dry-run'])
        await tell(['clean'])
        assert.equal(existsSync(join(folder, 'mirage')), false)
        assert.equal(existsSync(join(folder, 'dist')), false)
      } finally {
        remove()
      }
      golden(`${name}-${target}`, text)
    })
  }
}
