/** Starting an artefact, whatever its target: what `run` and `dev` share. */
import { readFile } from 'node:fs/promises'
import type { Target, TargetName } from '@mirage-ts/config/targets'
import { EXIT_RESTART } from '@mirage-ts/core/boot'
import type { ChildResult, ChildRun } from './child.ts'
import { UserError } from './errors.ts'
import { readLabel } from './label.ts'
import type { Output } from './output.ts'
import { attach, parseForward, type RunOptions } from './run-options.ts'
import { runSpt } from './run-spt.ts'
import { runUnix } from './run-unix.ts'
import { runVirtio } from './run-virtio.ts'

const RUNNERS: Readonly<Record<TargetName, (options: RunOptions) => Promise<ChildRun>>> = {
  spt: runSpt,
  unix: runUnix,
  virtio: runVirtio,
}

/** Starts `artefact` with the options of `mirage run`, `values`, and the unikernel's own arguments. */
export async function startArtefact(
  artefact: string,
  target: Target,
  values: Readonly<Record<string, unknown>>,
  boot: readonly string[],
  output: Output,
): Promise<ChildRun> {
  const label = readLabel(await readFile(artefact))
  if (label === undefined) throw new UserError(`${artefact} was not made by this tool: make it with mirage build`)
  const texts = (name: string) => (values[name] ?? []) as readonly string[]
  const networks = label.attachments.filter(({ type }) => type === 'network').map(({ name }) => name)
  const options: RunOptions = {
    artefact,
    label,
    boot,
    attached: attach(label, texts('net'), texts('block')),
    forwards: texts('port').map((text) => parseForward(text, networks)),
    memMib: values['mem'] as number,
    machine: values['machine'] === 'q35' ? 'q35' : 'microvm',
    isKvm: values['kvm'] === true,
    output,
  }
  const start = () => RUNNERS[target.name](options)
  return values['restart'] === true ? restarting(await start(), start) : await start()
}

/** A run that goes on with a new one each time the unikernel asks for a restart. */
function restarting(first: ChildRun, start: () => Promise<ChildRun>): ChildRun {
  let child = first
  let isStopped = false
  const untilEnd = async (): Promise<ChildResult> => {
    for (;;) {
      const result = await child.ended
      if (result.status !== EXIT_RESTART || result.isSignalled || isStopped) return result
      child = await start()
      if (isStopped) child.stop()
    }
  }
  return {
    ended: untilEnd(),
    stop(signal) {
      isStopped = true
      child.stop(signal)
    },
  }
}
