/**
 * The start of every machine, the same on every platform: parse the arguments, make the devices in order, run the jobs,
 * end with an exit status. A platform's `run` is this with its own {@link Platform}.
 *
 * Statuses: 0 all jobs finished, 1 a device did not start or a job failed, 63 help was printed, 64 bad argument, 75 a job
 * asked to start the machine again.
 */
import { type ArgKeys, type Args, helpText, parseArgs, splitCommandLine } from './boot-args.ts'

/** What the start of a machine needs of its platform. */
export interface Platform {
  /** The arguments: words, or the raw kernel command line. */
  argv(): readonly string[] | string
  /** Writes to the console; does not fail. */
  write(text: string): void
  /**
   * Ends the machine; a platform whose `exit` returns is left alone from then on. With {@link EXIT_RESTART} a platform that can
   * starts the machine again, others end with that status.
   */
  exit(status: number): void
}

/** What is known of a machine before it starts: the generated `main.ts` states it. */
export interface Manifest<Keys extends ArgKeys> {
  readonly name: string
  readonly keys: Keys
}

/** What the generated `main` builds the machine with. */
export interface Boot<Values> {
  /** The boot arguments by name. */
  readonly args: Values
  /** Starts a device; `place` is the line of config.ts that asked for it, where a failure is reported. */
  device<T>(name: string, place: string, create: () => T | Promise<T>): Promise<T>
  /**
   * Adds a job. The jobs start together once every device has, and run concurrently. The machine ends when all have finished,
   * or at once when one fails or ends with {@link RESTART}.
   */
  job(name: string, place: string, start: () => JobEnd | Promise<JobEnd>): void
}

/** What a job returns to have the machine started again, with the same arguments and nothing left of this run. */
export const RESTART = 'restart' as const

/** How a job ends, unless it fails. */
// biome-ignore lint/suspicious/noConfusingVoidType: nothing, which is what most jobs return
export type JobEnd = void | typeof RESTART

/** All jobs finished. */
export const EXIT_OK = 0
/** A device did not start or a job failed. */
export const EXIT_FAILURE = 1
/** Help was printed; MirageOS's number. */
export const EXIT_HELP = 63
/** Unknown or malformed argument; MirageOS's number. */
export const EXIT_USAGE = 64
/** A job asked for a restart; EX_TEMPFAIL of sysexits.h, "try again later". */
export const EXIT_RESTART = 75

/** The last line on the console of a machine that starts again. */
export function restartText(name: string): string {
  return `${name}: restarting`
}

/** Starts the machine described by `manifest` and `main`; resolves after asking the platform to exit. */
export async function boot<const Keys extends ArgKeys>(
  platform: Platform,
  manifest: Manifest<Keys>,
  main: (boot: Boot<Args<Keys>>) => Promise<void>,
): Promise<void> {
  const { status, text } = await runMachine(platform, manifest, main)
  if (text !== '') platform.write(`${text}\n`)
  platform.exit(status)
}

/** How the machine ended, and the last words for its console. */
interface Ending {
  readonly status: number
  readonly text: string
}

async function runMachine<const Keys extends ArgKeys>(
  platform: Platform,
  manifest: Manifest<Keys>,
  main: (boot: Boot<Args<Keys>>) => Promise<void>,
): Promise<Ending> {
  const { name, keys } = manifest
  const raw = platform.argv()
  const parsed = parseArgs(keys, typeof raw === 'string' ? splitCommandLine(raw) : raw)
  if (parsed.tag === 'help')
    return { status: EXIT_HELP, text: `Boot arguments of ${name}\n\n${helpText(keys)}`.trimEnd() }
  if (parsed.tag === 'error') return { status: EXIT_USAGE, text: `${name}: ${parsed.message}` }
  // Hypervisors add words of their own to a kernel command line, like virtio_mmio.device=512@0xfeb00e00:12 or reboot=k.
  if (parsed.rest.length > 0 && typeof raw !== 'string') {
    return { status: EXIT_USAGE, text: `${name}: Unexpected argument ${parsed.rest[0]}; options begin with --` }
  }
  const jobs: (() => Promise<void>)[] = []
  try {
    await main({
      args: parsed.args,
      async device(device, place, create) {
        try {
          return await create()
        } catch (error) {
          throw new Failure(`${place}: ${device} did not start: ${causesOf(error)}`, { cause: error })
        }
      },
      job(job, place, start) {
        jobs.push(async () => {
          let end: JobEnd
          try {
            end = await start()
          } catch (error) {
            throw new Failure(`${place}: job ${job} failed: ${stackOf(error)}`, { cause: error })
          }
          // Like a failure, so that no other job is waited for: a server would go on for ever.
          if (end === RESTART) throw new Restart()
        })
      },
    })
    // One job, the usual case, needs no more machinery than a call.
    await (jobs.length === 1 ? jobs[0]?.() : Promise.all(jobs.map((job) => job())))
    return { status: EXIT_OK, text: '' }
  } catch (error) {
    if (error instanceof Restart) return { status: EXIT_RESTART, text: restartText(name) }
    return { status: EXIT_FAILURE, text: `${name}: ${error instanceof Failure ? error.message : stackOf(error)}` }
  }
}

/** What the user is told of a device that did not start or a job that failed. */
class Failure extends Error {}

/** A job asked for a restart. */
class Restart extends Error {}

/** The message of an error and of what caused it, on one line. */
function causesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${causesOf(error.cause)}`
}

/** An error with its stack and what caused it. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // QuickJS-ng leaves the message out of `stack`, V8 puts it first.
  const head = `${error.name}: ${error.message}`
  const stack = error.stack ?? ''
  const own = (stack.startsWith(head) ? stack : `${head}\n${stack}`).trimEnd()
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`
}
