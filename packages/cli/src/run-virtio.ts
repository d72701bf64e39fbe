/** `mirage run` for virtio: QEMU's microvm, and what its exit status means. */
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { EXIT_RESTART, restartText } from '@mirage-ts/core/boot'
import { quoteWord } from '@mirage-ts/core/boot-args'
import { type ChildResult, type ChildRun, startChild } from './child.ts'
import { UsageError, UserError } from './errors.ts'
import type { Output } from './output.ts'
import { type Attached, type Forward, isGiven, type RunOptions, requireBlock, requireNetwork } from './run-options.ts'
import { crashMapper } from './stack-lines.ts'
import { isOnPath } from './toolchain.ts'

export const QEMU = 'qemu-system-x86_64'

/** The addresses of the first of QEMU's user networks. */
const USER_IPV4 = '10.0.2.15/24'
const USER_GATEWAY = '10.0.2.2'

/** Boots the image; ends with its exit status. */
export async function runVirtio(options: RunOptions): Promise<ChildRun> {
  const { artefact, label, attached, output } = options
  if (!isOnPath(QEMU)) throw new UserError(`Running on virtio needs QEMU; on Debian: apt-get install qemu-system-x86`)
  if (options.isKvm) requireKvm()
  if (options.forwards.length > 0 && !attached.some(({ type }) => type === 'network')) {
    throw new UserError(`${label.name} has no network device`)
  }
  for (const { type, name, to } of attached) {
    if (type === 'block') requireBlock(label, name, to)
    else if (to !== undefined) requireNetwork(label, name, to)
  }
  const forwards: Forward[] = []
  for (const forward of options.forwards) forwards.push(await withHostPort(forward, output))
  const args = qemuArguments({ ...options, forwards })
  output.detail(`${QEMU} ${args.map(quoteWord).join(' ')}`)
  const mapper = crashMapper(artefact)
  const restarting = restartText(label.name)
  let tail = ''
  const child = startChild(QEMU, args, {
    stdin: 'ignore',
    watchErrors: true,
    mapOutput(chunk) {
      // With what ends a line, on a port where that may be two.
      tail = (tail + chunk).slice(-restarting.length - 2)
      return mapper?.(chunk) ?? chunk
    },
  })
  const ended = child.ended.then((result) => {
    const hasAsked = tail.trimEnd().endsWith(restarting)
    return { ...result, status: statusOf(result, hasAsked, output) }
  })
  return { stop: child.stop, ended }
}

async function withHostPort(forward: Forward, output: Output): Promise<Forward> {
  if (forward.hostPort !== 0) return forward
  const hostPort = await freePort()
  output.progress(`Port ${hostPort} of this machine is port ${forward.guestPort} of the unikernel.`)
  return { ...forward, hostPort }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer()
    server.on('error', failed)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** QEMU's command line for an image. */
export function qemuArguments(options: RunOptions): string[] {
  const boot = [...options.boot]
  const networks = options.attached.filter(({ type }) => type === 'network')
  const hasAddress = options.label.boot.some((key) => key.name === 'ipv4')
  if (networks[0] !== undefined && networks[0].to === undefined && hasAddress) {
    if (!isGiven(boot, 'ipv4')) boot.push(`--ipv4=${USER_IPV4}`)
    if (!isGiven(boot, 'ipv4-gateway')) boot.push(`--ipv4-gateway=${USER_GATEWAY}`)
  }
  const blocks = options.attached.filter(({ type }) => type === 'block')
  return [
    ...['-accel', options.isKvm ? 'kvm' : 'tcg', '-cpu', options.isKvm ? 'host' : 'max'],
    ...(options.machine === 'q35' ? ['-M', 'q35'] : MICROVM),
    ...['-m', String(options.memMib)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-monitor', 'none'],
    ...consoleArguments(options),
    ...['-device', 'isa-debug-exit,iobase=0x501,iosize=4'],
    ...['-kernel', options.artefact, '-append', boot.map(quoteWord).join(' ')],
    ...networks.flatMap((network, i) => {
      const forwards = options.forwards.filter((forward) => forward.network === i)
      return ['-netdev', netdev(network, i, forwards), '-device', `${onBus('virtio-net', options)},netdev=n${i}`]
    }),
    ...blocks.flatMap(({ to, isReadOnly = false }, i) => {
      const drive = `if=none,id=b${i},format=raw${isReadOnly ? ',readonly=on' : ''},file=${quoteComma(to ?? '')}`
      return ['-drive', drive, '-device', `${onBus('virtio-blk', options)},drive=b${i}`]
    }),
  ]
}

function netdev({ name, to }: Attached, index: number, forwards: readonly Forward[]): string {
  if (to === undefined) {
    const rules = forwards.map((rule) => `,hostfwd=${rule.protocol}:127.0.0.1:${rule.hostPort}-:${rule.guestPort}`)
    // The first network is QEMU's 10.0.2.0/24; each further one has a subnet of its own.
    const subnet = index === 0 ? '' : `,net=10.0.${2 + index}.0/24`
    return `user,id=n${index}${subnet}${rules.join('')}`
  }
  if (forwards.length > 0) throw new UsageError(`--port needs the user network: leave --net ${name}=${to} out`)
  const [, kind, value = ''] = /^((?:plain-)?tap|stream):(.+)$/.exec(to) ?? []
  const tap = `tap,id=n${index},ifname=${quoteComma(value)},script=no,downscript=no`
  if (kind === 'tap') return tap
  if (kind === 'plain-tap') return `${tap},vnet_hdr=off`
  if (kind === 'stream') return `stream,id=n${index},server=off,addr.type=unix,addr.path=${quoteComma(value)}`
  throw new UsageError(`Cannot attach network '${name}' to ${to}: expected tap:NAME or stream:PATH`)
}

/** No ACPI and no option ROMs: a machine that starts in 25 ms and says where its devices are on the command line. */
const MICROVM = [
  ...['-M', 'microvm,acpi=off,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=on'],
  ...['-global', 'virtio-mmio.force-legacy=off'],
]

/** The serial port, and beside it, for an image that asks for one, virtio's console: both are our output. */
function consoleArguments(options: RunOptions): readonly string[] {
  if (options.label.configured['console'] !== 'virtio') return ['-serial', 'stdio']
  const both = ['-chardev', 'stdio,id=c0,mux=on', '-serial', 'chardev:c0']
  return [...both, '-device', onBus('virtio-serial', options), '-device', 'virtconsole,chardev=c0']
}

/** The name of a kind of device on the machine's bus. */
function onBus(kind: string, { machine }: RunOptions): string {
  return machine === 'q35' ? `${kind}-pci` : `${kind}-device`
}

/** QEMU reads a comma in a value when it is doubled. */
function quoteComma(value: string): string {
  return value.replaceAll(',', ',,')
}

/**
 * What QEMU's end means. A guest that starts again ends QEMU, too, which was told so, but like one that crashed: what tells
 * them apart are its last words.
 */
function statusOf(ended: ChildResult, hasAskedToRestart: boolean, output: Output): number {
  const { status, isSignalled, errors } = ended
  if (isSignalled) return status
  const failed = errors.split('\n').some((line) => line.startsWith('qemu-system') && !line.includes('warning:'))
  // QEMU's own failures end with 1 too, the status of a guest that ended with 0.
  if (failed && status === 1) return 1
  const guest = guestStatus(status)
  if (guest !== undefined) return guest
  if (hasAskedToRestart) return EXIT_RESTART
  output.progress('The guest stopped without an exit status: it was reset, or it crashed.')
  return 1
}

/**
 * The guest's status from QEMU's: `isa-debug-exit` ends QEMU with `(status << 1) | 1`. `undefined` when the guest did not
 * get to say one: a triple fault ends QEMU with 0.
 */
export function guestStatus(status: number): number | undefined {
  return status % 2 === 1 ? status >> 1 : undefined
}

function requireKvm(): void {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch (cause) {
    throw new UserError('Cannot use --kvm: /dev/kvm is not there or not yours to open', { cause })
  }
}
