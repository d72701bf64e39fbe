import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Plan } from '@mirage-ts/config/graph'
import { EXIT_RESTART } from '@mirage-ts/core/boot'
import { buildProject } from '../build.ts'
import type { Command } from '../command.ts'
import { configureProject, noteUnusedKeys, planProject, prepare } from '../configure.ts'
import { readLabel } from '../label.ts'
import { RUN, TARGET } from '../options.ts'
import type { Output } from '../output.ts'
import type { Project } from '../project.ts'
import { startArtefact } from '../start.ts'

/** `mirage run`: starts the artefact. */
export const run: Command = {
  name: 'run',
  summary: 'start the unikernel, building it if it was not built',
  details: `On unix it is a Node.js program. On virtio it runs in QEMU, its console on this terminal, until it ends or Ctrl-C;
its network is QEMU's own user network, where it is 10.0.2.15 and reaches what this machine reaches, unless --net gives
another. On spt it is a process with the tap, tap0 unless --net gives another, and the files it was given, and nothing
else. What it needs is in its label (mirage inspect); it is not started when something of that is missing. Stacks that it
prints are shown with lines of the sources. What follows -- are the unikernel's own arguments: mirage run -- --help lists
them. The exit status is the unikernel's: 0 when all its jobs finished, 1 when one failed or a device did not start, 63 for
its --help, 64 for an argument it does not know, 75 when it asks to be started again, which --restart does.`,
  options: { ...TARGET, ...RUN },
  async run(call) {
    const { boot, output } = call
    const { project, config, given } = await prepare(call, this.options)
    const { values, words } = given
    const { plan, target } = await planProject(project, config, words)
    noteUnusedKeys(plan, words, output)
    const artefact = resolve(project.distFolder, `${plan.name}${target.suffix}`)
    if (await isBuilt(artefact, plan)) await noteNewerSources(project, artefact, output)
    else await buildProject(await configureProject(project, config, words), output)
    const child = await startArtefact(artefact, target, values, boot, output)
    const { status } = await child.ended
    if (status === EXIT_RESTART) output.progress('It asked to be started again: mirage run --restart does that.')
    return status
  },
}

/** True when the artefact is there, with the choices of `plan`. */
async function isBuilt(artefact: string, { choices }: Plan): Promise<boolean> {
  if (!existsSync(artefact)) return false
  const configured = readLabel(await readFile(artefact))?.configured ?? {}
  return choices.every(({ key, word }) => configured[key.name] === word)
}

/** Says so when the artefact is older than the application's sources: somebody forgot to build. */
async function noteNewerSources(project: Project, artefact: string, output: Output): Promise<void> {
  const built = (await stat(artefact)).mtimeMs
  const names = (await readdir(project.folder)).filter((name) => name.endsWith('.ts'))
  const times = await Promise.all(names.map(async (name) => (await stat(join(project.folder, name))).mtimeMs))
  const newer = names.filter((_, i) => (times[i] ?? 0) > built)
  if (newer.length === 0) return
  output.progress(`Starting what was built before ${newer.join(', ')} changed; build it again with mirage build.`)
}
