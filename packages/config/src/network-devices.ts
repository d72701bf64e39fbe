/** Network interfaces, and what lies right on them. */
import { bootKey, type Device, device, match, string, target } from './config.ts'
import { defaultClock, defaultLog, defaultRandom, defaultTime } from './default-devices.ts'

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
  return device('@mirage-ts/net/arp', 'createArp', {
    takes: { ethernet: 'ethernet', clock: 'clock', time: 'time' },
    makes: 'arp',
  })({ ethernet, clock: defaultClock, time: defaultTime })
}
