import { buildProject } from '../build.ts'
import type { Command } from '../command.ts'
import { configureProject, prepare } from '../configure.ts'
import { DRY_RUN, TARGET } from '../options.ts'

/** `mirage build`: configures and makes the artefact. */
export const build: Command = {
  name: 'build',
  summary: 'make the artefact in dist/, configuring first',
  details: `For unix the artefact is one executable program for Node.js, dist/NAME.mjs; for virtio an image that boots on a
virtual machine, dist/NAME.virtio. Options given override what configure remembered. The first build for virtio compiles
the native runtime, which takes about a minute; it is kept for all later builds.`,
  options: { ...TARGET, ...DRY_RUN },
  async run(call) {
    const { isDryRun, output } = call
    const { project, config, given } = await prepare(call, this.options)
    const configured = await configureProject(project, config, given.words)
    if (isDryRun) {
      for (const name of [...configured.files.keys(), 'context.json']) output.print(`would write mirage/${name}`)
      output.print(`would write dist/${configured.plan.name}${configured.target.suffix}`)
      return 0
    }
    await buildProject(configured, output)
    return 0
  },
}
