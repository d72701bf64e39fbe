/**
 * The tutorial's hello: its size, the memory it starts in, how long after QEMU was executed its first line comes, what it uses
 * while it sleeps; and the same as a sealed process. The yardstick is an empty kernel, which says one letter.
 *
 *   node --import tsx bench/boot.ts [--runs 11]
 *
 * Wall time depends on who else is at work; blocks that the emulator translates, and instructions, do not.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { build, copyExample, makeFolder, ROOT } from '../tests/lib/mirage.ts'
import { Machine, medianFirstByteMs } from './lib/machine.ts'
import { record } from './lib/results.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '11' } },
})
const runs = Number(values.runs)
const IDLE_SECONDS = 10
const CLOCK_TICK_MS = 10

const asleep = sleeper()
const work = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
const { folder, remove } = copyExample('tutorial/hello')
try {
  await build(folder, '-t', 'virtio')
  await build(folder, '-t', 'spt')
  const image = join(folder, 'dist/hello.virtio')
  const sealed = join(folder, 'dist/hello.spt')
  execFileSync('make', ['-s', '-C', join(ROOT, 'native'), 'empty', `OUT=${work}`])
  const empty = join(work, 'empty.elf')
  record({ group: 'Size', name: 'hello, virtio', value: statSync(image).size / 1000, unit: 'kB', limit: 600 })
  record({ group: 'Size', name: 'hello, spt', value: statSync(sealed).size / 1000, unit: 'kB', limit: 600 })
  const least = await leastMemoryKib(image)
  record({ group: 'Memory', name: 'hello, virtio', value: least / 1024, unit: 'MiB', limit: 3 })
  await boots(image, empty)
  for (const [name, file] of [
    ['hello', image],
    ['empty kernel', empty],
  ] as const) {
    record({ group: 'Blocks translated to the first line', name, value: await blocks(file), unit: 'blocks' })
  }
  starts(sealed)
  for (const target of ['virtio', 'spt']) await build(asleep, '-t', target)
  await idle('virtio', () => new Machine(join(asleep, 'dist/sleeper.virtio'), { memMib: 16 }).process)
  await idle('spt', () => spawn(join(asleep, 'dist/sleeper.spt'), { stdio: ['ignore', 'pipe', 'inherit'] }))
} finally {
  remove()
  rmSync(asleep, { recursive: true, force: true })
  rmSync(work, { recursive: true, force: true })
}

/** The least memory in which the first line appears, to 64 KiB. */
async function leastMemoryKib(image: string): Promise<number> {
  const starts = async (memKib: number): Promise<boolean> => {
    const machine = new Machine(image, { memMib: memKib / 1024 })
    for (let i = 0; i < 100 && machine.process.exitCode === null && !/\n/.test(machine.output); i++) await sleep(50)
    await machine.stop()
    return /hello\r?\n/.test(machine.output)
  }
  let low = 1024
  let high = 16 * 1024
  while (high - low > 64) {
    const middle = Math.round((low + high) / 128) * 64
    if (await starts(middle)) high = middle
    else low = middle
  }
  return high
}

async function boots(image: string, empty: string): Promise<void> {
  const emptyMs = await medianFirstByteMs(empty, { memMib: 16 }, runs)
  const helloMs = await medianFirstByteMs(image, { memMib: 16 }, runs)
  const group = 'Execution of QEMU to the first octet, median'
  record({ group, name: 'empty kernel', value: emptyMs, unit: 'ms' })
  record({ group, name: 'hello', value: helloMs, unit: 'ms' })
  record({ group, name: 'hello above the empty kernel', value: helloMs - emptyMs, unit: 'ms', limit: 12 })
}

/** How many blocks of code the emulator translates until the guest has written its first line. */
async function blocks(image: string): Promise<number> {
  const log = join(work, 'blocks.log')
  const machine = new Machine(image, { memMib: 16, trace: log })
  await machine.firstByte
  await machine.stop()
  let count = 0
  let writes = 0
  for (const line of readFileSync(log, 'latin1').split('\n')) {
    if (line.startsWith('IN:')) count++
    // The first write to this register sets the speed.
    else if (line.startsWith('serial_write write addr 0x00') && ++writes === 2) break
  }
  return count
}

/** Starts the sealed process as often as needed for its time to show. */
function starts(sealed: string): void {
  const count = 100
  const script = `TIMEFORMAT='%U %S'; time for i in $(seq ${count}); do "$0" --help > /dev/null; done`
  const output = execFileSync('bash', ['-c', `exec 2>&1; ${script}; true`, sealed], { encoding: 'latin1' })
  const [user = 0, system = 0] = output.trim().split(' ').map(Number)
  const value = ((user + system) * 1000) / count
  record({
    group: 'Processor time of a sealed process that prints and ends',
    name: 'hello',
    value,
    unit: 'ms',
    limit: 3,
  })
}

/** An application that waits for a second, again and again. */
function sleeper(): string {
  return makeFolder({
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { defaultTime } from '@mirage-ts/config/devices'
export default register('sleeper', [main('./unikernel.ts', 'start', { takes: { time: 'time' } })({ time: defaultTime })])
`,
    'unikernel.ts': `import { ms } from '@mirage-ts/core/time'
import type { Time } from '@mirage-ts/signatures/time'
export async function start({ time }: { time: Time }): Promise<void> {
  for (;;) await time.sleep(ms(1000))
}
`,
  })
}

/** Processor time used over ten seconds in which nothing is to be done but to wait. */
async function idle(name: string, start: () => ReturnType<typeof spawn>): Promise<void> {
  const child = start()
  await sleep(1000)
  const from = cpuMs(child.pid as number)
  await sleep(IDLE_SECONDS * 1000)
  const value = (cpuMs(child.pid as number) - from) / IDLE_SECONDS
  record({ group: 'Processor time while asleep', name, value, unit: 'ms each second' })
  child.kill()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS
}
