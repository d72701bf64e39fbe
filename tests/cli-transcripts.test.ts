/**
 * What every command prints for two examples on every target, as a user sees it, compared with `cli-transcripts/`.
 * UPDATE_GOLDENS in the environment writes them, to be read in review. Sizes, times, digests and versions are masked.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
const COMMANDS = 'init configure build run dev describe query inspect symbolize doctor clean disk completion'.split(' ')

/** A typical mistake with each command that works on a configuration. */
const MISTAKES = [
  ['configure', '-t', 'unx'],
  ['configure', '--net', 'direkt'],
  ['build', '--from-record', 'HEAD'],
  ['build', '--logs=*:debug'],
  ['run', '--nte', 'x'],
  ['dev', '--nte', 'x'],
  ['describe', '--dot', '--svg'],
  ['query', 'kyes'],
  ['inspect', 'config.ts'],
  ['clean', '--chache'],
] as const

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
      .replace(/DIGEST-\S+\.(br|gz)$/gm, 'DIGEST-VERSION.$1')
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

test('transcript: commands that need no configuration', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-transcript-'))
  let text = ''
  const tell = async (words: readonly string[]) => {
    const here = words.map((word) => word.replace(/^IN\//, `${folder}/`))
    const said = (await show('', here)).replaceAll(relative('.', folder), 'IN').replaceAll(folder, 'IN')
    text += `$ mirage ${words.join(' ')}\n${mask(said)}\n`
  }
  try {
    for (const words of [
      ['init', 'IN/mine', '--dry-run'],
      ['init', 'IN/mine'],
      ['init', 'IN/site', '--template', 'website'],
      ['init', 'IN/mine'],
      ['init', 'IN/Mine'],
      ['init'],
      ['disk', 'make', 'IN/data.img', '--size', '4MiB'],
      ['disk', 'list', 'IN/data.img'],
      ['disk', 'check', 'IN/data.img'],
      ['disk', 'list', 'IN/absent.img'],
      ['disk', 'erase', 'IN/data.img'],
      ['completion', 'fish'],
      ['completion', 'words', '-f', 'IN/mine/config.ts'],
      ['completion', 'words', '-f', 'IN/config.ts'],
      ['describe', '-f', 'IN/config.ts'],
      ['doctor', '--jsno'],
      ['docter'],
      ['help', 'biuld'],
    ]) {
      await tell(words)
    }
    // What is found differs from machine to machine.
    const doctor = (await show('', ['doctor'])).replace(/^(?:ok|missing) +((?: ?\S+)+) .*$/gm, 'STATE  $1')
    text += `$ mirage doctor\n${doctor}`
  } finally {
    rmSync(folder, { recursive: true })
  }
  golden('anywhere', text)
})

/** Arguments with which the website is at work, where it can be without a tap. */
const AT_WORK: Readonly<Record<string, readonly string[]>> = {
  unix: ['--', '--port=0'],
  virtio: ['--port', '0:80', '--', '--ipv4=10.0.2.15/24'],
}

/** What a command shows until the unikernel is at work or has ended; times and free ports are masked. */
async function untilAtWork(folder: string, words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(ROOT, 'packages/cli/bin/mirage.mjs'), ...words], { cwd: folder })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (/INFO .*(hello|Listening).*\n|Waiting for a change/.test(said)) child.kill()
    })
  }
  await once(child, 'close')
  const lines = said.replace(/\r/g, '').split('\n')
  const end = lines.findIndex((line) => /INFO .*(hello|Listening)|Waiting for a change/.test(line))
  return mask(`${lines.slice(0, end + 1).join('\n')}\n`)
    .replace(/^[-\d]+T[\d:.]+Z /gm, 'DATE ')
    .replace(/^Port \d+ /gm, 'Port FREE ')
    .replace(/port \d+$/gm, 'port PORT')
}

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
        const { stdout, stderr, status } = await mirage(folder, ...wrong)
        text += `$ mirage ${wrong.join(' ')}\n${mask(stdout + stderr)}[status ${status}]\n\n`
        for (const command of ['run', 'dev']) {
          const words = [command, ...(name === 'hello' ? [] : (AT_WORK[target] ?? ['--', '--help']))]
          text += `$ mirage ${words.join(' ')}\n${await untilAtWork(folder, words)}\n`
        }
        for (const words of MISTAKES) {
          const file = words[0] === 'inspect' ? join(folder, words[1]) : undefined
          const said = file === undefined ? await show(folder, words) : await show('', ['inspect', file])
          text += `$ mirage ${words.join(' ')}\n${mask(said.replaceAll(`${folder}/`, ''))}\n`
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
