/** Network namespaces of the tests' own, with Linux's stack on one end of a tap. Root only. */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Says why the tests that need one cannot run, or `false`. Hand it to `skip`: the reason is printed with the test. */
export const NO_NAMESPACES: string | false =
  process.getuid?.() === 0 ? false : 'network namespaces and taps need root: run the tests as root to include this one'

let count = 0

export class Namespace {
  readonly name: string = `mirage-${process.pid}-${count++}`

  constructor() {
    execFileSync('ip', ['netns', 'add', this.name])
    this.ip('link', 'set', 'lo', 'up')
  }

  /** Makes a tap with an address of Linux's. */
  addTap(tap: string, cidr: string): void {
    this.ip('tuntap', 'add', 'dev', tap, 'mode', 'tap')
    this.ip('addr', 'add', cidr, 'dev', tap)
    this.ip('link', 'set', tap, 'up')
  }

  /** Runs `ip` in it. */
  ip(...args: readonly string[]): void {
    execFileSync('ip', ['-n', this.name, ...args])
  }

  /** Starts a program in it, with its arguments. */
  start(command: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, ...command], options)
  }

  /** Runs a program in it to its end and returns what it printed; a failure is an error with that. */
  async run(file: string, ...args: readonly string[]): Promise<string> {
    const child = spawn('ip', ['netns', 'exec', this.name, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [status] = (await once(child, 'close')) as [number | null]
    const output = Buffer.concat(chunks).toString('latin1')
    if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with status ${status}:\n${output}`)
    return output
  }

  remove(): void {
    execFileSync('ip', ['netns', 'delete', this.name])
  }
}
