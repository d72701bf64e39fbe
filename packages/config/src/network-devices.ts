/** Network interfaces, and what lies right on them. */
import type { Capture } from '@mirage-ts/signatures/capture'
import type { Network } from '@mirage-ts/signatures/network'
import { bootKey, byteSize, type Device, device, duration, float, match, string, target } from './config.ts'
import { defaultClock, defaultLog, defaultRandom, defaultTime, defaultWallClock } from './default-devices.ts'
import { ConfigError, callerPlace } from './place.ts'

declare module './config.ts' {
  interface Kinds {
    capture: Capture
    'vlan-trunk': { vlan(id: number): Network }
  }
}

// The heading of network arguments in the `--help` of a unikernel.
export const NETWORK = 'NETWORK'

/** What goes before the names of a device's keys: needed when there are two such devices. */
export interface GroupOptions {
  readonly group?: string
}

/**
 * The network interface called `name`. `mirage run --net NAME=tap:tap1` attaches it; on unix `--net:NAME` is also an
 * argument of the program. Any number may be used, each under a name of its own.
 */
export function network(name: string): Device<'network'> {
  const attach = { type: 'network', name } as const
  return match(target, {
    unix: device('@mirage-ts/node/network', 'createNetwork', {
      takes: { random: 'random', log: 'log' },
      makes: 'network',
      keys: {
        attachment: bootKey(`net:${name}`, {
          type: string,
          default: `tap:${name === 'service' ? 'tap0' : name}`,
          doc: 'what the network is attached to: tap:NAME, or stream:PATH of a Unix socket',
          section: NETWORK,
        }),
      },
      attach,
    })({ random: defaultRandom, log: defaultLog }),
    spt: device('@mirage-ts/metal/spt/network', 'createNetwork', {
      takes: { random: 'random', log: 'log' },
      makes: 'network',
      options: { index: { tag: 'attachment-index' } },
      attach,
    })({ random: defaultRandom, log: defaultLog }),
    virtio: device('@mirage-ts/metal/network', 'createNetwork', {
      makes: 'network',
      options: { index: { tag: 'attachment-index' } },
      attach,
    })(),
  })
}

/** The first network interface, called `service`. */
export const defaultNetwork: Device<'network'> = network('service')

/** Ethernet over a network. */
export function ethernet(network: Device<'network'>): Device<'ethernet'> {
  return device('@mirage-ts/net/ethernet', 'createEthernet', { takes: { network: 'network' }, makes: 'ethernet' })({
    network,
  })
}

/** Address resolution on an Ethernet. */
export function arp(ethernet: Device<'ethernet'>): Device<'arp'> {
  return device('@mirage-ts/net/ipv4/arp', 'createArp', {
    takes: { ethernet: 'ethernet', clock: 'clock', time: 'time' },
    makes: 'arp',
  })({ ethernet, clock: defaultClock, time: defaultTime })
}

/** A network that others are parts of, told apart by the tags of 802.1Q; see {@link vlan}. */
export function vlanTrunk(network: Device<'network'> = defaultNetwork): Device<'vlan-trunk'> {
  return device('@mirage-ts/net/vlan', 'createVlanTrunk', { takes: { network: 'network' }, makes: 'vlan-trunk' })({
    network,
  })
}

/** The network with tag `id`, 1 to 4094, of a trunk: `directStack(vlan(trunk, 7), { group: 'office' })`. */
export function vlan(trunk: Device<'vlan-trunk'>, id: number): Device<'network'> {
  if (!Number.isInteger(id) || id < 1 || id > 4094) {
    throw new ConfigError(`Cannot use ${id} as a VLAN: expected 1 to 4094`, callerPlace())
  }
  return device('@mirage-ts/net/vlan', 'createVlan', {
    takes: { trunk: 'vlan-trunk' },
    makes: 'network',
    options: { id },
    label: `VLAN ${id}`,
  })({ trunk })
}

const DEBUGGING = 'DEBUGGING'

/** The last frames, in memory: as many as `--pcap-bytes` has room for. */
export function captureRing({ group }: GroupOptions = {}): Device<'capture'> {
  return device('@mirage-ts/net/tools/pcap', 'createCaptureRing', {
    makes: 'capture',
    keys: {
      maxBytes: bootKey('pcap-bytes', {
        type: byteSize,
        default: '256KiB',
        doc: 'room for the last frames, which are kept in memory',
        section: DEBUGGING,
        group,
      }),
    },
  })()
}

/** All frames, in the file of the host that `--pcap` names; only where there is one, so use it inside `match(target, ...)`. */
export function captureFile({ group }: GroupOptions = {}): Device<'capture'> {
  return device('@mirage-ts/node/capture-file', 'createCaptureFile', {
    takes: { log: 'log' },
    makes: 'capture',
    keys: {
      path: bootKey('pcap', {
        type: string,
        doc: 'the file to write what goes over the network to, for tcpdump and Wireshark',
        section: DEBUGGING,
        group,
      }),
    },
  })({ log: defaultLog })
}

/** Where a capture is kept: in the file that `--pcap` names where there is a host, else in memory. */
export function genericCapture(options: GroupOptions = {}): Device<'capture'> {
  const ring = captureRing(options)
  return match(target, { unix: captureFile(options), spt: ring, virtio: ring })
}

/**
 * A network whose frames, both ways, are captured as well. A job that takes the `capture` too can hand out what it holds, as a
 * complete file: `const kept = genericCapture(); directStack(pcap(defaultNetwork, kept))`.
 */
export function pcap(network: Device<'network'>, capture: Device<'capture'> = genericCapture()): Device<'network'> {
  return device('@mirage-ts/net/tools/pcap', 'createPcap', {
    takes: { network: 'network', clock: 'wall-clock', capture: 'capture' },
    makes: 'network',
  })({ network, clock: defaultWallClock, capture })
}

/** A network whose frames are told of, a line each, in the log source `trace`: `--logs '*:info,trace:debug'`. */
export function tracer(network: Device<'network'>): Device<'network'> {
  return device('@mirage-ts/net/tools/tracer', 'createTracer', {
    takes: { network: 'network', log: 'log' },
    makes: 'network',
  })({ network, log: defaultLog })
}

/**
 * A network that loses, doubles, delays, reorders and damages frames, both ways, as its arguments say; none of it unless they
 * do. `--fault-loss 0.01` is one frame in a hundred.
 */
export function faultyNetwork(network: Device<'network'>, { group }: GroupOptions = {}): Device<'network'> {
  const chance = (name: string, what: string) =>
    bootKey(name, { type: float, default: 0, doc: `the probability, 0 to 1, that ${what}`, section: DEBUGGING, group })
  const time = (name: string, doc: string) =>
    bootKey(name, { type: duration, default: '0ms', doc, section: DEBUGGING, group })
  return device('@mirage-ts/net/tools/faults', 'createFaultyNetwork', {
    takes: { network: 'network', clock: 'clock', time: 'time', random: 'random' },
    makes: 'network',
    keys: {
      loss: chance('fault-loss', 'a frame is lost'),
      duplicate: chance('fault-duplicate', 'a frame comes twice'),
      corrupt: chance('fault-corrupt', 'one bit of a frame is flipped'),
      delay: time('fault-delay', 'how long every frame takes'),
      reorder: chance('fault-reorder', 'a frame takes longer than the others'),
      reorderDelay: time('fault-reorder-delay', 'how much longer'),
    },
  })({ network, clock: defaultClock, time: defaultTime, random: defaultRandom })
}
