/** What `mirage run` was asked for, matched with what the artefact says it needs. */
import { existsSync } from 'node:fs'
import type { Attachment } from '@mirage-ts/config'
import { UsageError, UserError } from './errors.ts'
import type { Label } from './label.ts'
import type { Output } from './output.ts'

/** How to run an artefact. */
export interface RunOptions {
  /** Absolute path. */
  readonly artefact: string
  readonly label: Label
  /** The unikernel's arguments. */
  readonly boot: readonly string[]
  /** What each thing it needs is attached to, in the order of the label; `undefined` where nothing was said. */
  readonly attached: readonly Attached[]
  /** Ports of this machine forwarded to the unikernel. */
  readonly forwards: readonly Forward[]
  readonly memMib: number
  /** On virtio; microvm by default. */
  readonly machine?: 'microvm' | 'q35'
  readonly isKvm: boolean
  readonly output: Output
}

/** A network or block device of the unikernel and what it is here. */
export interface Attached extends Attachment {
  /** `tap:NAME` or `stream:PATH` of a network, the file of a block device. */
  readonly to: string | undefined
}

/** A TCP or UDP port of this machine forwarded to the unikernel. */
export interface Forward {
  /** Which network, by its place among the networks. */
  readonly network: number
  readonly protocol: 'tcp' | 'udp'
  readonly hostPort: number
  readonly guestPort: number
}

/** True when an argument called `name` was given. */
export function isGiven(boot: readonly string[], name: string): boolean {
  return boot.some((word) => word === `--${name}` || word.startsWith(`--${name}=`))
}

/** The value of an argument, or its default. */
export function bootValue(label: Label, boot: readonly string[], name: string): string | undefined {
  let value = label.boot.find((key) => key.name === name)?.default
  for (const [i, word] of boot.entries()) {
    if (word === `--${name}`) value = boot[i + 1]
    else if (word.startsWith(`--${name}=`)) value = word.slice(name.length + 3)
  }
  return value
}

/** Matches `--net` and `--block` with what the unikernel needs: `NAME=WHAT`, or `WHAT` for the first of them. */
export function attach(label: Label, nets: readonly string[], blocks: readonly string[]): readonly Attached[] {
  const given = new Map<Attachment, string>()
  for (const [type, texts] of [
    ['network', nets],
    ['block', blocks],
  ] as const) {
    const wanted = label.attachments.filter((attachment) => attachment.type === type)
    for (const text of texts) {
      const named = wanted.find(({ name }) => text.startsWith(`${name}=`))
      const attachment = named ?? wanted[0]
      if (attachment === undefined) {
        const hint = type === 'network' && label.target === 'unix' ? '; build it with --net direct' : ''
        throw new UserError(`${label.name} has no ${type} device to attach to ${text}${hint}`)
      }
      if (named === undefined && /^[A-Za-z0-9._-]+=/.test(text)) {
        const names = wanted.map(({ name }) => name).join(', ')
        throw new UserError(`${label.name} has no ${type} called ${text.replace(/=.*/, '')}; it has ${names}`)
      }
      given.set(attachment, named === undefined ? text : text.slice(named.name.length + 1))
    }
  }
  return label.attachments.map((attachment) => ({ ...attachment, to: given.get(attachment) }))
}

/** Refuses to start a unikernel whose network is not there, naming it. */
export function requireNetwork({ name }: Label, network: string, to: string): void {
  const [, kind, value] = /^((?:plain-)?tap|stream):(.+)$/.exec(to) ?? []
  if (kind === undefined || value === undefined) {
    throw new UsageError(`Cannot attach network '${network}' to ${to}: expected tap:NAME or stream:PATH`)
  }
  const isThere = existsSync(kind === 'stream' ? value : `/sys/class/net/${value}`)
  if (isThere) return
  const absent =
    kind === 'stream'
      ? `nothing listens on ${value}`
      : `there is no interface ${value} (make one: ip tuntap add ${value} mode tap)`
  throw new UserError(
    `${name} needs network '${network}', and ${absent}: give --net ${network}=tap:NAME or stream:PATH`,
  )
}

/** Refuses to start a unikernel whose disk is not there, naming it. */
export function requireBlock({ name }: Label, block: string, to: string | undefined): string {
  if (to !== undefined && existsSync(to)) return to
  const absent = to === undefined ? 'none is attached' : `there is no ${to}`
  throw new UserError(`${name} needs block device '${block}', and ${absent}: give --block ${block}=FILE`)
}

/** Reads `8080:80`, `8080:80/udp`, `management=8080:80`; host port 0 takes a free one. */
export function parseForward(text: string, networks: readonly string[] = []): Forward {
  const [, name, host, guest, protocol = 'tcp'] =
    /^(?:([A-Za-z0-9._-]+)=)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text) ?? []
  const hostPort = Number(host)
  const guestPort = Number(guest)
  if (!(hostPort <= 65535 && guestPort >= 1 && guestPort <= 65535)) {
    throw new UsageError(`Cannot read --port ${text}: expected HOST:GUEST like 8080:80`)
  }
  const network = name === undefined ? 0 : networks.indexOf(name)
  if (network < 0) throw new UserError(`Cannot forward --port ${text}: the networks are ${networks.join(', ')}`)
  return { network, protocol: protocol === 'udp' ? 'udp' : 'tcp', hostPort, guestPort }
}
