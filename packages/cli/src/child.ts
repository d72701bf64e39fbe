/** Running another program in the foreground. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { UserError } from './errors.ts'

/**
 * Runs a program on this terminal and resolves to its exit status (128 + n when signal n ended it, as in a shell). What
 * would end us ends it instead; only this child, by its own handle.
 */
export function runChild(
  file: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((done, failed) => {
    const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
    const forward = (signal: NodeJS.Signals) => child.kill(signal)
    // A terminal's Ctrl-C reaches the child by itself; ours is to outlive it and report its status.
    const ignore = () => undefined
    process.on('SIGTERM', forward).on('SIGHUP', forward).on('SIGINT', ignore)
    const stop = () => {
      process.off('SIGTERM', forward).off('SIGHUP', forward).off('SIGINT', ignore)
    }
    child.on('error', (cause) => {
      stop()
      failed(new UserError(`Cannot run ${file}: ${cause.message}`, { cause }))
    })
    child.on('close', (status, signal) => {
      stop()
      done(status ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
}
