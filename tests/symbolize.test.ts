/**
 * Where a program crashed, in lines of its sources: as `mirage run` shows it, and as `mirage symbolize` finds it in a log of a
 * machine that was started without it. On virtio and on spt, interpreted and compiled.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, makeFolder, mirage } from './lib/mirage.ts'
import { EXIT_DEVICE, MICROVM, runQemu } from './lib/qemu.ts'

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'
import { bootKey, oneOf } from '@mirage-ts/config'
const how = bootKey('how', { type: oneOf('throw', 'reject', 'sleep'), default: 'throw', doc: 'how it ends' })
const crash = main('./unikernel.ts', 'start', { takes: { log: 'log', time: 'time' }, keys: { how } })
export default register('crash', [crash({ log: defaultLog, time: defaultTime })])
`

const UNIKERNEL = `import { ms } from '@mirage-ts/core/time'
import type { Log } from '@mirage-ts/signatures/log'
import type { Time } from '@mirage-ts/signatures/time'

interface Devices {
  readonly log: Log
  readonly time: Time
}

function parse(text: string): number {
  if (text.length > 1) throw new TypeError('not a digit: ' + text)
  return Number(text)
}

function open(name: string): number {
  try {
    return parse(name)
  } catch (cause) {
    throw new Error('cannot open', { cause })
  }
}

async function forgotten(time: Time): Promise<void> {
  await time.sleep(ms(1))
  throw new RangeError('nobody waits for me')
}

export async function start({ log, time }: Devices, { how }: { how: string }): Promise<void> {
  log.logger('crash').info(how)
  if (how === 'reject') void forgotten(time)
  if (how === 'throw') open('ab')
  await time.sleep(ms(60_000))
}
`

/** Where in the text this is, as stacks say it. */
const lineOf = (text: string): number => UNIKERNEL.slice(0, UNIKERNEL.indexOf(text)).split('\n').length

const PLACES: Readonly<Record<'throw' | 'reject', readonly RegExp[]>> = {
  throw: [
    new RegExp(`at open \\(unikernel\\.ts:${lineOf("new Error('cannot")}:`),
    new RegExp(`caused by[^]*at parse \\(unikernel\\.ts:${lineOf('new TypeError')}:`),
  ],
  reject: [
    new RegExp(`unhandled rejection: RangeError[^]*at forgotten \\(unikernel\\.ts:${lineOf('new RangeError')}:`),
  ],
}

describe('a crash', () => {
  let folder = ''
  before(() => {
    folder = makeFolder({ 'config.ts': CONFIG, 'unikernel.ts': UNIKERNEL })
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const image = (target: string) => join(folder, `dist/crash.${target}`)

  /** Starts the image by hand, as somebody does who has no source map. */
  async function logOf(target: string, how: string): Promise<string> {
    if (target === 'virtio')
      return (
        await runQemu([...MICROVM, ...EXIT_DEVICE, '-m', '32', '-kernel', image(target), '-append', `--how=${how}`])
      ).output
    const child = spawn(image(target), [`--how=${how}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      // A fault that is not of its making.
      if (how === 'sleep' && output.includes('sleep')) child.kill('SIGSEGV')
    })
    await once(child, 'close')
    return output
  }

  for (const [target, ...options] of [['virtio'], ['spt'], ['spt', '--native']] as const) {
    it(`is told in lines of the sources on ${[target, ...options].join(' ')}`, async () => {
      await build(folder, '-t', target, ...options)
      for (const [how, places] of Object.entries(PLACES)) {
        const ran = await mirage(folder, 'run', '-t', target, '--', `--how=${how}`)
        const log = await logOf(target, how)
        const file = join(folder, 'console.log')
        writeFileSync(file, log)
        const found = await mirage(folder, 'symbolize', `dist/crash.${target}`, 'console.log')
        for (const place of places) {
          assert.match(ran.stdout, place)
          assert.doesNotMatch(log, place)
          assert.match(found.stdout, place)
        }
        assert.equal(found.status, 0)
        assert.equal(found.stdout.split('\n').length, log.split('\n').length)
      }
    })
  }

  it('of the processor names the function, as the debugger does', async () => {
    await build(folder, '-t', 'spt')
    const log = await logOf('spt', 'sleep')
    const [, rip = ''] = / rip ([0-9a-f]{16}) in text/.exec(log) ?? []
    assert.notEqual(rip, '', log)
    assert.match(log, /^fault: none here, another process sent a signal$/m)
    const child = spawn(process.execPath, [
      join(import.meta.dirname, '../packages/cli/bin/mirage.mjs'),
      'symbolize',
      image('spt'),
    ])
    child.stdin.end(log)
    let found = ''
    child.stdout.on('data', (chunk: Buffer) => {
      found += chunk.toString()
    })
    await once(child, 'close')
    const [, name = ''] = new RegExp(` rip ${rip} in text.*: (\\w+)\\+0x[0-9a-f]+`).exec(found) ?? []
    assert.equal(name, await nameOf(rip), found)
  })

  /** What binutils say, of the runtime that the image begins with. */
  async function nameOf(rip: string): Promise<string> {
    const { folder: cache } = await findToolchain()
    const runtimes = execFileSync('sh', ['-c', `ls ${cache}/runtime-spt*.elf`], { encoding: 'utf8' })
      .trim()
      .split('\n')
    const start = readFileSync(image('spt')).subarray(4096, 400_000)
    const runtime = runtimes.find((file) => readFileSync(file).subarray(4096, 400_000).equals(start))
    const said = execFileSync('addr2line', ['-fe', `${runtime}.debug`, rip], { encoding: 'utf8' })
    return said.split('\n')[0] ?? ''
  }

  it('cannot be told without what is needed, which is named', async () => {
    const without = await mirage(folder, 'symbolize', 'config.ts')
    assert.deepEqual([without.status, without.stdout], [1, ''])
    assert.match(without.stderr, /^There is no config\.ts\.map: mirage build writes it beside the image/)
    assert.match((await mirage(folder, 'symbolize', 'dist/absent.spt')).stderr, /^There is no dist\/absent\.spt\n$/)
    assert.match((await mirage(folder, 'symbolize')).stderr, /^Give an image/)
  })
})
