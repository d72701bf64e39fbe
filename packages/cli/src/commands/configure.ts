import type { Command } from '../command.ts'
import { configureProject, noteUnusedKeys, prepare, writeConfigured } from '../configure.ts'
import { UserError } from '../errors.ts'
import { DRY_RUN, TARGET } from '../options.ts'
import { timed } from '../output.ts'
import { checkUnikernel } from '../typecheck.ts'

/** `mirage configure`: chooses the devices and writes the program that starts them. */
export const configure: Command = {
  name: 'configure',
  summary: 'choose the devices for a target, and generate the code that starts them',
  details: `Reads config.ts, makes its choices with the options given, and writes mirage/TARGET/main.ts, which starts the
devices in order, beside a tsconfig.json for it. Everything is type-checked. The choices are remembered in mirage/context.json for
the other commands.`,
  options: { ...TARGET, ...DRY_RUN },
  async run(call) {
    const { isDryRun, output } = call
    const { project, config, given } = await prepare(call, this.options)
    const configured = await configureProject(project, config, given.words)
    noteUnusedKeys(configured.plan, given.words, output)
    if (isDryRun) {
      for (const name of [...configured.files.keys(), 'context.json']) output.print(`would write mirage/${name}`)
      return 0
    }
    await writeConfigured(configured)
    const errors = await timed(output, 'type-check', () => checkUnikernel(project, configured.target, configured.main))
    if (errors.length > 0) throw new UserError(errors.join('\n'))
    const { plan, target } = configured
    output.print(`Configured ${plan.name} for ${target.name}: ${plan.devices.length} devices. Now run mirage build.`)
    return 0
  },
}
