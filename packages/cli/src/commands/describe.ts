import { describe as describePlan } from '@mirage-ts/config/describe'
import type { Command } from '../command.ts'
import { planProject, prepare } from '../configure.ts'
import { TARGET } from '../options.ts'
import { showPlace } from '../project.ts'

/** `mirage describe`: what a unikernel is made of. */
export const describe: Command = {
  name: 'describe',
  summary: 'show the name, keys, output and devices of the unikernel',
  details: `Shows what the options given, and those remembered, make of config.ts. Devices are numbered: a number that appears
twice is one device with two users. Nothing is written.`,
  options: TARGET,
  async run(call) {
    const { project, config, given } = await prepare(call, this.options)
    const { plan, target } = await planProject(project, config, given.words)
    const artefact = `dist/${plan.name}${target.suffix}`
    call.output.print(describePlan(plan, artefact, (instance) => showPlace(project, instance.place)).trimEnd())
    return 0
  },
}
