/** `mirage run` for virtio: QEMU's microvm, and what its exit status means. */

import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { quoteWord } from '@mirage-ts/core/boot-args'
import { runChild } from './child.ts'
import { UsageError, UserError } from './errors.ts'
import type { Output } from './output.ts'
import { isGiven, type RunOptions } from './run-options.ts'
import { isOnPath } from './toolchain.ts'

const QEMU = 'qemu-system-x86_64'

/** The addresses of QEMU's user network. */
const USER_IPV4 = '10.0.2.15/24'
const USER_GATEWAY = '10.0.2.2'

/** A TCP or UDP port of this machine forwarded to the unikernel. */
export interface Forward {
  readonly protocol: 'tcp' | 'udp'
  readonly hostPort: number
  readonly guestPort: number
}

/** Boots the image and returns its exit status. */
export async function runVirtio(options: RunOptions): Promise<number> {
  if (!isOnPath(QEMU)) throw new UserError(`Running on virtio needs QEMU; on Debian: apt-get install qemu-system-x86`)
  if (options.isKvm) requireKvm()
  const hasNetwork = options.plan.devices.some((device) => device.node.from === '@mirage-ts/metal/network')
  if (!hasNetwork && (options.ports.length > 0 || options.net !== undefined)) {
    throw new UserError(`${options.plan.name} has no network device`)
  }
  const forwards = await Promise.all(options.ports.map((port) => withHostPort(parseForward(port), options.output)))
  const args = qemuArguments(options, hasNetwork, forwards)
  options.output.detail(`${QEMU} ${args.map(quoteWord).join(' ')}`)
  return await runQemu(args, options.output)
}

/** Reads `8080:80`, `8080:80/udp`; host port 0 takes a free one. */
export function parseForward(text: string): Forward {
  const [, host, guest, protocol = 'tcp'] = /^(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text) ?? []
  const hostPort = Number(host)
  const guestPort = Number(guest)
  if (!(hostPort <= 65535 && guestPort >= 1 && guestPort <= 65535)) {
    throw new UsageError(`Cannot read --port ${text}: expected HOST:GUEST like 8080:80`)
  }
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', hostPort, guestPort }
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
export function qemuArguments(options: RunOptions, hasNetwork: boolean, forwards: readonly Forward[]): string[] {
  const boot = [...options.boot]
  const network: string[] = []
  if (hasNetwork) {
    const isUser = options.net === undefined
    if (isUser && options.plan.bootKeys.some((key) => key.name === 'ipv4')) {
      if (!isGiven(boot, 'ipv4')) boot.push(`--ipv4=${USER_IPV4}`)
      if (!isGiven(boot, 'ipv4-gateway')) boot.push(`--ipv4-gateway=${USER_GATEWAY}`)
    }
    network.push('-netdev', netdev(options.net, forwards), '-device', 'virtio-net-device,netdev=n0')
  }
  return [
    ...['-accel', options.isKvm ? 'kvm' : 'tcg', '-cpu', options.isKvm ? 'host' : 'max'],
    // No ACPI and no option ROMs: a machine that starts in 25 ms and says where its devices are on the command line.
    ...['-M', 'microvm,acpi=off,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=on'],
    ...['-global', 'virtio-mmio.force-legacy=off'],
    ...['-m', String(options.memMib)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio', '-monitor', 'none'],
    ...['-device', 'isa-debug-exit,iobase=0x501,iosize=4'],
    ...['-kernel', options.artefact, '-append', boot.map(quoteWord).join(' ')],
    ...network,
  ]
}

function netdev(net: string | undefined, forwards: readonly Forward[]): string {
  if (net === undefined) {
    const rules = forwards.map((rule) => `,hostfwd=${rule.protocol}:127.0.0.1:${rule.hostPort}-:${rule.guestPort}`)
    return `user,id=n0${rules.join('')}`
  }
  if (forwards.length > 0) throw new UsageError('--port needs the user network: leave --net out')
  const [, kind, name] = /^(tap|stream):(.+)$/.exec(net) ?? []
  // QEMU reads a comma in a value when it is doubled.
  const value = name?.replaceAll(',', ',,')
  if (kind === 'tap') return `tap,id=n0,ifname=${value},script=no,downscript=no`
  if (kind === 'stream') return `stream,id=n0,server=off,addr.type=unix,addr.path=${value}`
  throw new UsageError(`Cannot read --net ${net}: expected tap:NAME or stream:PATH`)
}

/** Runs QEMU and says what the guest's end means. */
async function runQemu(args: readonly string[], output: Output): Promise<number> {
  const { status, isSignalled, errors } = await runChild(QEMU, args, { stdin: 'ignore', watchErrors: true })
  if (isSignalled) return status
  const failed = errors.split('\n').some((line) => line.startsWith('qemu-system') && !line.includes('warning:'))
  // QEMU's own failures end with 1 too, the status of a guest that ended with 0.
  if (failed && status === 1) return 1
  const guest = guestStatus(status)
  if (guest === undefined) output.progress('The guest stopped without an exit status: it was reset, or it crashed.')
  return guest ?? 1
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
