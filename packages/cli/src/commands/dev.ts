import { type FSWatcher, watch } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { buildProject } from '../build.ts'
import type { ChildRun } from '../child.ts'
import type { Call, Command } from '../command.ts'
import { configureProject, prepare } from '../configure.ts'
import { UsageError, UserError } from '../errors.ts'
import { RUN, TARGET } from '../options.ts'
import { openProject } from '../project.ts'
import { startArtefact } from '../start.ts'

/** `mirage dev`: run, and run again with every change. */
export const dev: Command = {
  name: 'dev',
  summary: 'build and run, and again whenever a file that it is made from changes',
  details: `Like mirage run, but it builds first, and when a source, config.ts or a file carried in the artefact is saved it builds
again and restarts the unikernel. A mistake is shown, and the unikernel that runs goes on. Ctrl-C ends it.`,
  options: { ...TARGET, ...RUN },
  async run(call) {
    const { output } = call
    const project = openProject(call.file)
    const watcher = new Watcher(project.folder)
    const stopped = untilSignal()
    let isStopped = false
    stopped.then(
      () => {
        isStopped = true
      },
      // It never rejects.
      () => {},
    )
    let child: ChildRun | undefined
    try {
      for (;;) {
        try {
          const { config, given } = await prepare(call, this.options)
          const configured = await configureProject(project, config, given.words)
          const { name, inputs } = await buildProject(configured, output)
          watcher.follow(
            inputs,
            configured.main.folders.map(({ folder }) => join(project.folder, folder)),
          )
          await end(child)
          if (!isStopped) {
            const artefact = join(project.distFolder, name)
            child = await startArtefact(artefact, configured.target, given.values, call.boot, output)
            noteEnd(child, call)
          }
        } catch (error) {
          // No change of a file makes a wrong command line right.
          if (!(error instanceof UserError) || error instanceof UsageError) throw error
          output.progress(`${error.message}\nWaiting for a change.`)
        }
        const signal = await Promise.race([watcher.changed(), stopped])
        if (signal !== undefined) {
          // The child has been asked to end, too: startChild passes signals on.
          await child?.ended
          return 128 + constants.signals[signal]
        }
      }
    } finally {
      watcher.close()
    }
  },
}

async function end(child: ChildRun | undefined): Promise<void> {
  child?.stop()
  await child?.ended
}

function noteEnd({ ended }: ChildRun, { output }: Call): void {
  ended.then(
    ({ status, isSignalled }) => {
      if (!isSignalled) output.progress(`It ended with status ${status}. Waiting for a change.`)
    },
    (error: Error) => output.progress(error.message),
  )
}

function untilSignal(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done(signal))
  })
}

/** Several files are often written at once: the wait after the first. */
const SETTLE_MS = 50

/** Tells when one of some files changes. Folders are watched: editors replace files rather than write to them. */
class Watcher {
  readonly #watchers: Map<string, FSWatcher> = new Map()
  #files: ReadonlySet<string> = new Set()
  /** Folders carried in the artefact: whatever is in them counts. */
  #carried: readonly string[] = []
  #isChanged = false
  #wake: (() => void) | undefined

  /** Until something is known of the application, every source in its folder counts. */
  constructor(folder: string) {
    this.#watch(folder)
  }

  follow(files: readonly string[], carried: readonly string[]): void {
    this.#files = new Set(files.filter((file) => !/\/(mirage|dist)\//.test(file)))
    this.#carried = carried
    for (const folder of [...carried, ...[...this.#files].map(dirname)]) this.#watch(folder)
  }

  /** Resolves when something has changed since it last did. */
  async changed(): Promise<undefined> {
    if (!this.#isChanged) {
      await new Promise<void>((done) => {
        this.#wake = done
      })
    }
    await new Promise((done) => setTimeout(done, SETTLE_MS))
    this.#isChanged = false
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
  }

  #watch(folder: string): void {
    if (this.#watchers.has(folder)) return
    const watcher = watch(folder, (_event, name) => {
      const file = join(folder, name ?? '')
      // A new source may be the one that was missing.
      const counts = this.#files.has(file) || file.endsWith('.ts')
      if (!counts && !this.#carried.some((root) => folder === root || folder.startsWith(`${root}/`))) return
      this.#isChanged = true
      this.#wake?.()
    })
    watcher.on('error', () => this.#watchers.delete(folder))
    this.#watchers.set(folder, watcher)
  }
}
