/** Starting an artefact, whatever its target: what `run` and `dev` share. */
import { readFile } from 'node:fs/promises'
import type { Target, TargetName } from '@mirage-ts/config/targets'
import type { ChildRun } from './child.ts'
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
  return await RUNNERS[target.name]({
    artefact,
    label,
    boot,
    attached: attach(label, texts('net'), texts('block')),
    forwards: texts('port').map((text) => parseForward(text, networks)),
    memMib: values['mem'] as number,
    machine: values['machine'] === 'q35' ? 'q35' : 'microvm',
    isKvm: values['kvm'] === true,
    output,
  })
}
