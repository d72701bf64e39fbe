/** `mirage run` for spt: the image as a process, its devices opened for it by `mirage-spt`. */
import { accessSync, constants } from 'node:fs'
import { quoteWord } from '@mirage-ts/core/boot-args'
import { type ChildRun, startChild } from './child.ts'
import { UserError } from './errors.ts'
import { type RunOptions, requireBlock, requireNetwork } from './run-options.ts'
import { crashMapper } from './stack-lines.ts'
import { ensureToolchain, findToolchain } from './toolchain.ts'

/** Starts the image; ends with its exit status. */
export async function runSpt(options: RunOptions): Promise<ChildRun> {
  const { artefact, label, boot, attached, forwards, memMib, output } = options
  if (forwards.length > 0) {
    throw new UserError('--port is for virtio: an spt process has its own address, on what --net attaches it to')
  }
  const args = ['--mem', String(memMib)]
  // Help needs no devices.
  for (const { type, name, to, isReadOnly = false } of boot.includes('--help') ? [] : attached) {
    if (type === 'block') {
      const file = requireBlock(label, name, to)
      args.push(!isReadOnly && isWritable(file) ? '--block' : '--block-ro', file)
    } else {
      const net = to ?? 'tap:tap0'
      requireNetwork(label, name, net)
      args.push('--net', net)
    }
  }
  args.push(artefact, ...boot)
  const { spt } = await ensureToolchain(await findToolchain(), output)
  output.detail([spt, ...args].map(quoteWord).join(' '))
  const mapper = crashMapper(artefact)
  return startChild(spt, args, { stdin: 'ignore', ...(mapper === undefined ? {} : { mapOutput: mapper }) })
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK)
    return true
  } catch {
    // Then it is a disk that can only be read.
    return false
  }
}
