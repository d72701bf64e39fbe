import { resolve } from 'node:path'
import { bool, oneOf, string } from '@mirage-ts/core/boot-args'
import { DISK_FORMATS, type DiskFormat, makeBootDisk } from '../boot-disk.ts'
import { buildProject, writeArtefact } from '../build.ts'
import type { Command } from '../command.ts'
import { configureProject, noteUnusedKeys, prepare } from '../configure.ts'
import { UsageError } from '../errors.ts'
import { DRY_RUN, TARGET } from '../options.ts'
import { buildFromRecord, record } from '../record.ts'
import { verify } from '../verify.ts'

/** `mirage build`: configures and makes the artefact. */
export const build: Command = {
  name: 'build',
  summary: 'make the artefact in dist/, configuring first',
  details: `For unix the artefact is one executable program for Node.js, dist/NAME.mjs; for virtio an image that boots on a
virtual machine, dist/NAME.virtio; for spt a Linux process that can use nothing but its devices, dist/NAME.spt. Options
given override what configure remembered. The first build for virtio or spt compiles the native runtime, which takes
about a minute; it is kept for all later builds.

--native compiles the program's functions to machine code when it builds for virtio or spt: the image is faster and
some megabytes larger, and the first build takes a minute or two. Generators and async functions stay interpreted.

--disk makes a disk of a virtio image beside it, dist/NAME.FORMAT, that machines boot by BIOS, and all but iso also by
UEFI. What follows -- are the arguments that it starts with: mirage build --disk qcow2 -- --ipv4=192.0.2.7/24

--verify builds a second time, elsewhere, and fails unless both are the same. --record commits the sources, keys, lock
file and digest to a Git repository, on the branch mirage/NAME.TARGET; with --from-record a recorded build is made again,
and fails, naming what has changed, unless it is the same.`,
  options: {
    ...TARGET,
    ...DRY_RUN,
    native: { type: bool, default: 'false', doc: 'virtio, spt: compile to machine code' },
    disk: { type: oneOf(...DISK_FORMATS), doc: 'virtio: make a disk that boots, too' },
    verify: { type: bool, default: 'false', doc: 'build twice and compare' },
    record: { type: string, doc: 'the Git repository to record the build in; made when absent' },
    'record-image': { type: bool, default: 'false', doc: 'record the artefact itself, too' },
    'from-record': { type: string, doc: 'build what this revision of the --record repository says' },
  },
  async run(call) {
    const { isDryRun, output } = call
    const { project, config, given } = await prepare(call, this.options)
    const repository = given.values['record'] as string | undefined
    const revision = given.values['from-record'] as string | undefined
    if (revision !== undefined) {
      if (repository === undefined) throw new UsageError('--from-record needs the repository: --record FOLDER')
      await writeArtefact(project, await buildFromRecord(project, repository, revision, output))
      return 0
    }
    const disk = given.values['disk'] as DiskFormat | undefined
    const configured = await configureProject(project, config, given.words)
    noteUnusedKeys(configured.plan, given.words, output)
    if (isDryRun) {
      for (const name of [...configured.files.keys(), 'context.json']) output.print(`would write mirage/${name}`)
      output.print(`would write dist/${configured.plan.name}${configured.target.suffix}`)
      return 0
    }
    const isNative = given.values['native'] === true
    if (isNative && configured.target.hasHost) {
      throw new UsageError(`--native is for virtio and spt, and this is a build for ${configured.target.name}`)
    }
    const artefact = await buildProject(configured, output, { isNative })
    if (disk !== undefined) {
      const { plan, target } = configured
      if (target.name !== 'virtio') throw new UsageError(`--disk is for virtio, and this is a build for ${target.name}`)
      const image = resolve(project.distFolder, artefact.name)
      await makeBootDisk(disk, image, call.boot, resolve(project.distFolder, `${plan.name}.${disk}`))
      output.print(`Made dist/${plan.name}.${disk}`)
    }
    if (given.values['verify'] === true) await verify(configured, artefact, { isNative }, output)
    if (repository !== undefined) {
      const withImage = given.values['record-image'] === true
      await record(configured, artefact, { repository, withImage, isNative }, output)
    }
    return 0
  },
}
