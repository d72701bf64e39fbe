/** Servers that are compared: started on a processor of their own, with what they take of it and of memory. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Namespace } from '../../tests/lib/namespace.ts'

/** Linux counts processor time in hundredths of a second. */
const US_PER_TICK = 10_000

export interface StartOptions {
  /** Where it runs; default: beside us. */
  readonly namespace?: Namespace
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a program on processor 0; its clients run on processor 1. */
export function startPinned(command: readonly string[], { namespace, env }: StartOptions = {}): ChildProcess {
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace.name]
  const [file = '', ...args] = [...inside, 'taskset', '-c', '0', ...command]
  return spawn(file, args, { stdio: 'ignore', env: { ...process.env, ...env } })
}

/** The command for a client on processor 1. */
export function onOtherProcessor(command: readonly string[]): readonly string[] {
  return ['taskset', '-c', '1', ...command]
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  await once(child, 'exit')
}

/** What a server and those it started take: memory, and processor time so far. */
export interface Usage {
  readonly memoryKb: number
  readonly cpuUs: number
}

export function usageOf({ pid }: ChildProcess): Usage {
  const output = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
  const family = new Set([pid])
  for (const line of output.trim().split('\n')) {
    const [child, parent] = line.trim().split(/\s+/).map(Number)
    if (family.has(parent)) family.add(child)
  }
  let memoryKb = 0
  let ticks = 0
  for (const member of family) {
    // The command that starts a sealed process waits for it to end.
    if (readFileSync(`/proc/${member}/cmdline`, 'utf8').includes('mirage.mjs\0run')) continue
    memoryKb += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${member}/status`, 'utf8'))?.[1] ?? 0)
    // Behind the name, which may have spaces in it: user time is field 14, system time 15 (proc(5)).
    const fields = readFileSync(`/proc/${member}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return { memoryKb, cpuUs: ticks * US_PER_TICK }
}

/** The one in the middle by `key`. */
export function medianBy<T>(list: readonly T[], key: (one: T) => number): T {
  const sorted = [...list].sort((a, b) => key(a) - key(b))
  const middle = sorted[Math.floor(sorted.length / 2)]
  if (middle === undefined) throw new Error('Cannot take the median of nothing')
  return middle
}
