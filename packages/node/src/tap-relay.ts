/**
 * A tap interface, by way of `mirage-tap`: a small program of ours that opens the interface, which Node cannot do, and
 * carries its frames over a Unix stream socket.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'

/** Longest complaint of the relay that is passed on. */
const MAX_COMPLAINT_CHARS = 1000

export interface TapRelay {
  /** The socket where it waits for one client. */
  readonly socketPath: string
  /** In front of each frame is a header: see `@mirage-ts/core/vnet-header`. */
  readonly hasOffload: boolean
  /** Ends the relay. Idempotent. */
  close(): void
}

/** Starts the relay for interface `name`, with offload if asked and possible; it is ended by `close` or with the process. */
export async function openTapRelay(name: string, wantsOffload: boolean): Promise<TapRelay> {
  const program = env['MIRAGE_TAP'] ?? 'mirage-tap'
  const folder = await mkdtemp(join(tmpdir(), 'mirage-tap-'))
  const socketPath = join(folder, 'socket')
  const child = spawn(program, [...(wantsOffload ? ['--offload'] : []), name, socketPath], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = (): void => void child.kill()
  process.once('exit', end)
  child.once('close', () => {
    process.off('exit', end)
    void rm(folder, { recursive: true, force: true })
  })
  let hasOffload = false
  try {
    hasOffload = await isReady(child)
  } catch (error) {
    end()
    throw new Error(`Cannot open tap ${name}: ${explain(error, program)}`, { cause: error })
  }
  // From here on the socket keeps the process alive, not the relay.
  child.unref()
  return { socketPath, hasOffload, close: end }
}

/** Resolves when the relay says `ready`, true with `ready offload`; rejects with what it says instead. */
function isReady(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let output = ''
    let complaint = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_COMPLAINT_CHARS)
      if (/ready.*\n/.test(output)) resolve(output.includes('ready offload\n'))
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, MAX_COMPLAINT_CHARS)
    })
    child.once('error', reject)
    child.once('close', (status, signal) => {
      reject(
        new Error(complaint.trim() === '' ? `the relay ended with ${signal ?? `status ${status}`}` : complaint.trim()),
      )
    })
  })
}

function explain(error: unknown, program: string): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === 'ENOENT') {
    return `the relay ${program} was not found; build it with "mirage build", or name it in the environment variable MIRAGE_TAP`
  }
  return error.message
}
