/** Starts images that run tests, and starts them again behind a test that has ended one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { EXIT_DEVICE, MICROVM } from '../lib/qemu.ts'

/** An image with an archive of runs. */
export interface Machine {
  readonly target: 'spt' | 'virtio'
  readonly image: string
  /** Starts images of spt: `mirage-spt`. */
  readonly launcher: string
  readonly memMib: number
  /** Tests go by way of bytecode, as programs do. */
  readonly isBytecode: boolean
  /** What each run may take. */
  readonly limitMs: number
  /** How long a machine may be silent beyond that: for its start, and for code that does not look at the time. */
  readonly patienceMs: number
}

/** Told of each run in its order: `undefined`, or why it failed. */
export type Verdict = (index: number, failure: string | undefined) => void

const ACK = '\x06'
const NAK = '\x15'
const EOT = '\x04'
const REPORT_CHARS = 300

/** Runs those from `from` to before `to`. What ends a machine, or keeps it from answering, is a failure of the run it was at. */
export async function runRange(machine: Machine, from: number, to: number, verdict: Verdict): Promise<void> {
  let next = from
  while (next < to) {
    const { ended, report } = await runOnce(machine, next, to, (failure) => verdict(next++, failure))
    if (ended && next === to) return
    if (next < to) verdict(next++, report)
    else throw new Error(`A machine went on after its last run: ${report}`)
  }
}

interface End {
  /** It said that it had run all. */
  readonly ended: boolean
  /** What it left on the console, and how it ended. */
  readonly report: string
}

async function runOnce(machine: Machine, from: number, to: number, tell: (failure?: string) => void): Promise<End> {
  const child = start(machine, `${from} ${to} ${machine.limitMs} ${Number(machine.isBytecode)}`)
  let rest = ''
  let stuck = false
  let ended = false
  const watchdog = setTimeout(() => {
    stuck = true
    child.kill('SIGKILL')
  }, machine.limitMs + machine.patienceMs)
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    rest += chunk
    for (;;) {
      const [mark] = rest
      const lineEnd = rest.indexOf('\n')
      if (mark === EOT) ended = true
      else if (mark === ACK) tell()
      else if (mark === NAK && lineEnd > 0) tell(rest.slice(1, lineEnd).trim())
      else return
      rest = mark === NAK ? rest.slice(lineEnd + 1) : rest.slice(1)
      watchdog.refresh()
    }
  })
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk
  })
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(watchdog)
  const how = stuck ? 'does not answer' : `crash (${signal ?? `status ${status}`})`
  return { ended, report: `${how}: ${rest} ${errors}`.replace(/\s+/g, ' ').trim().slice(0, REPORT_CHARS) }
}

function start({ target, image, launcher, memMib }: Machine, command: string): ChildProcess {
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  if (target === 'spt')
    return spawn(launcher, ['--mem', String(memMib), image, ...command.split(' ')], { stdio: [...stdio] })
  const words = ['-accel', 'tcg', '-cpu', 'max', '-nodefaults', '-no-user-config', '-no-reboot']
  const quiet = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-m', String(memMib)]
  const boot = ['-kernel', image, '-append', command]
  return spawn('qemu-system-x86_64', [...words, ...MICROVM, ...quiet, ...EXIT_DEVICE, ...boot], { stdio: [...stdio] })
}
