/** `mirage run` for unix: the program under Node.js. */
import { type ChildRun, startChild } from './child.ts'
import { UserError } from './errors.ts'
import { bootValue, isGiven, type RunOptions, requireBlock, requireNetwork } from './run-options.ts'
import { ensureToolchain, findToolchain } from './toolchain.ts'

/** Starts the program; ends with its exit status. */
export async function runUnix({ artefact, label, boot, attached, forwards, output }: RunOptions): Promise<ChildRun> {
  if (forwards.length > 0) {
    throw new UserError(
      '--port is for virtio: on unix the unikernel listens on this machine, at the ports of its own arguments',
    )
  }
  const args = [...boot]
  const environment: Record<string, string> = {}
  const isHelp = boot.includes('--help')
  for (const { type, name, to } of attached) {
    const argument = `${type === 'network' ? 'net' : 'block'}:${name}`
    if (to !== undefined && !isGiven(boot, argument)) args.push(`--${argument}=${to}`)
    const value = bootValue(label, args, argument)
    if (isHelp) continue
    if (type === 'block') requireBlock(label, name, value)
    else {
      requireNetwork(label, name, value ?? '')
      // Only a native program can open a tap: Node.js has no call for it.
      if (/^(plain-)?tap:/.test(value ?? ''))
        environment['MIRAGE_TAP'] = (await ensureToolchain(await findToolchain(), output)).tap
    }
  }
  return startChild(process.execPath, ['--enable-source-maps', artefact, ...args], { environment })
}
