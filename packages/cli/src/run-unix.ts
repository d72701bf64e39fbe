/** `mirage run` for unix: the bundle under Node.js. */
import { runChild } from './child.ts'
import { UserError } from './errors.ts'
import { isGiven, type RunOptions } from './run-options.ts'
import { ensureToolchain, findToolchain } from './toolchain.ts'

/** Runs the bundle and returns its exit status. */
export async function runUnix({ artefact, plan, boot, net, ports, output }: RunOptions): Promise<number> {
  if (ports.length > 0) {
    throw new UserError(
      '--port is for virtio: on unix the unikernel listens on this machine, at the ports of its own arguments',
    )
  }
  const args = [artefact, ...boot]
  const environment: Record<string, string> = {}
  const attachment = net ?? boot.find((word) => word.startsWith('--net:service='))?.slice('--net:service='.length)
  if (net !== undefined) {
    if (!plan.bootKeys.some((key) => key.name === 'net:service')) {
      throw new UserError(`${plan.name} has no network device to attach to ${net}; build it with --net direct`)
    }
    if (!isGiven(boot, 'net:service')) args.push(`--net:service=${net}`)
  }
  // Only a native program can open a tap: Node.js has no call for it.
  if (attachment?.startsWith('tap:'))
    environment['MIRAGE_TAP'] = (await ensureToolchain(await findToolchain(), output)).tap
  return (await runChild(process.execPath, args, { environment })).status
}
