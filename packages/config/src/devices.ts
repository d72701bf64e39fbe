/**
 * The standard devices: what MirageOS calls the vocabulary of config.ml. `default...` is one device that everybody
 * shares, `generic...` chooses by target and keys, the rest says exactly what it is.
 *
 * Where a machine may have several of a thing, its keys can be given a group: `directStack(network('management'),
 * { group: 'management' })` has `--management-ipv4`.
 */
import {
  bootKey,
  configureKey,
  type Device,
  device,
  type Functor,
  ipv4Address,
  ipv4Cidr,
  type Kind,
  logLevels,
  match,
  string,
  type Takes,
  target,
} from './config.ts'
import { TARGETS, type TargetName } from './targets.ts'

/** The device of this kind that the platform package of each target provides under the same names. */
function ofPlatform<const K extends Kind>(module: string, create: string, makes: K): Device<K> {
  const cases: Partial<Record<TargetName, Device<K>>> = {}
  for (const { name, platform } of Object.values(TARGETS)) {
    const functor: Functor<Takes, K> = device(`${platform}/${module}`, create, { makes })
    cases[name] = functor({})
  }
  return match(target, cases as Record<TargetName, Device<K>>)
}

/** Where the machine's output goes. */
export const defaultConsole: Device<'console'> = ofPlatform('console', 'createConsole', 'console')

/** The clock that never steps. */
export const defaultClock: Device<'clock'> = ofPlatform('clock', 'createMonotonicClock', 'clock')

/** The civil clock. */
export const defaultWallClock: Device<'wall-clock'> = ofPlatform('clock', 'createWallClock', 'wall-clock')

/** Sleeping and alarms. */
export const defaultTime: Device<'time'> = ofPlatform('time', 'createTime', 'time')

/** The platform's strong random numbers. */
export const defaultRandom: Device<'random'> = ofPlatform('random', 'createRandom', 'random')

const logs = bootKey('logs', {
  type: logLevels,
  default: '*:info',
  doc: 'level of each log source: quiet, error, warn, info or debug',
  section: 'LOG AND MONITORING',
})

/** The log on the default console; `--logs` sets its levels. */
export const defaultLog: Device<'log'> = device('@mirage-ts/core/log', 'createLog', {
  takes: { console: 'console', clock: 'wall-clock' },
  makes: 'log',
  keys: { levels: logs },
})({ console: defaultConsole, clock: defaultWallClock })

const NETWORK = 'NETWORK'

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

/** What goes before the names of a device's keys: needed when there are two such devices. */
export interface GroupOptions {
  readonly group?: string
}

/** IPv4 with the address and gateway that `--ipv4` and `--ipv4-gateway` give. */
export function staticIpv4(
  ethernet: Device<'ethernet'>,
  arp: Device<'arp'>,
  { group }: GroupOptions = {},
): Device<'ipv4'> {
  return device('@mirage-ts/net/ipv4', 'createIpv4', {
    takes: { ethernet: 'ethernet', arp: 'arp', random: 'random', clock: 'clock', time: 'time' },
    makes: 'ipv4',
    keys: {
      cidr: bootKey('ipv4', {
        type: ipv4Cidr,
        default: '10.0.0.2/24',
        doc: 'the IPv4 address and its prefix length',
        section: NETWORK,
        group,
      }),
      gateway: bootKey('ipv4-gateway', {
        type: ipv4Address,
        doc: 'the router to everywhere else; none by default',
        section: NETWORK,
        group,
      }),
    },
  })({ ethernet, arp, random: defaultRandom, clock: defaultClock, time: defaultTime })
}

/** ICMP over IPv4: answers echo requests. */
export function icmp(ipv4: Device<'ipv4'>): Device<'icmp'> {
  return device('@mirage-ts/net/icmp', 'createIcmp', { takes: { ipv4: 'ipv4', clock: 'clock' }, makes: 'icmp' })({
    ipv4,
    clock: defaultClock,
  })
}

/** Our UDP. */
export function directUdp(ip: Device<'ipv4'>, icmp: Device<'icmp'>): Device<'udp'> {
  return device('@mirage-ts/net/udp', 'createUdp', {
    takes: { ip: 'ipv4', icmp: 'icmp', random: 'random' },
    makes: 'udp',
  })({ ip, icmp, random: defaultRandom })
}

/** Our TCP. */
export function directTcp(ip: Device<'ipv4'>): Device<'tcp'> {
  return device('@mirage-ts/net/tcp/tcp', 'createTcp', {
    takes: { ip: 'ipv4', clock: 'clock', time: 'time', random: 'random', log: 'log' },
    makes: 'tcp',
  })({ ip, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog })
}

/** Our whole TCP/IP over a network. */
export function directStack(network: Device<'network'> = defaultNetwork, options: GroupOptions = {}): Device<'stack'> {
  const link = ethernet(network)
  const ip = staticIpv4(link, arp(link), options)
  const icmpv4 = icmp(ip)
  return device('@mirage-ts/net/stack', 'createDirectStack', {
    takes: { ip: 'ipv4', icmp: 'icmp', udp: 'udp', tcp: 'tcp' },
    makes: 'stack',
  })({ ip, icmp: icmpv4, udp: directUdp(ip, icmpv4), tcp: directTcp(ip) })
}

/** The host operating system's TCP/IP; only where there is one, so use it inside `match(target, ...)`. */
export function hostStack(): Device<'stack'> {
  return device('@mirage-ts/node/host-stack', 'createHostStack', { makes: 'stack' })()
}

/**
 * A network stack: `--net host|direct` where the target has an operating system, our own elsewhere. In a group the key
 * is `--GROUP-net`.
 */
export function genericStack(network: Device<'network'> = defaultNetwork, options: GroupOptions = {}): Device<'stack'> {
  const direct = directStack(network, options)
  const net = configureKey('net', {
    words: ['host', 'direct'],
    default: 'host',
    doc: "whose TCP/IP: the host's sockets, or our own stack on a network device",
    group: options.group,
  })
  return match(target, {
    unix: match(net, { host: hostStack(), direct }),
    spt: match(net, { direct }),
    virtio: match(net, { direct }),
  })
}

/** The files of a folder (relative to config.ts) carried in the image, read-only. */
export function crunch(folder: string): Device<'kv-ro'> {
  return device('@mirage-ts/storage/crunch', 'createCrunch', {
    makes: 'kv-ro',
    options: { files: { tag: 'folder', folder } },
  })()
}
