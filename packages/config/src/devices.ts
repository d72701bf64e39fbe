/**
 * The standard devices: what MirageOS calls the vocabulary of config.ml. `default...` is one device that everybody
 * shares, `generic...` chooses by target and keys, the rest says exactly what it is.
 */
import {
  bootKey,
  configureKey,
  type Device,
  device,
  ipv4Address,
  ipv4Cidr,
  logLevels,
  match,
  string,
  target,
} from './config.ts'

/** Where the machine's output goes. */
export const defaultConsole: Device<'console'> = match(target, {
  unix: device('@mirage-ts/node/console', 'createConsole', { makes: 'console' })(),
  virtio: device('@mirage-ts/metal/console', 'createConsole', { makes: 'console' })(),
})

/** The clock that never steps. */
export const defaultClock: Device<'clock'> = match(target, {
  unix: device('@mirage-ts/node/clock', 'createMonotonicClock', { makes: 'clock' })(),
  virtio: device('@mirage-ts/metal/clock', 'createMonotonicClock', { makes: 'clock' })(),
})

/** The civil clock. */
export const defaultWallClock: Device<'wall-clock'> = match(target, {
  unix: device('@mirage-ts/node/clock', 'createWallClock', { makes: 'wall-clock' })(),
  virtio: device('@mirage-ts/metal/clock', 'createWallClock', { makes: 'wall-clock' })(),
})

/** Sleeping and alarms. */
export const defaultTime: Device<'time'> = match(target, {
  unix: device('@mirage-ts/node/time', 'createTime', { makes: 'time' })(),
  virtio: device('@mirage-ts/metal/time', 'createTime', { makes: 'time' })(),
})

/** The platform's strong random numbers. */
export const defaultRandom: Device<'random'> = match(target, {
  unix: device('@mirage-ts/node/random', 'createRandom', { makes: 'random' })(),
  virtio: device('@mirage-ts/metal/random', 'createRandom', { makes: 'random' })(),
})

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

/** The first network interface, called `service`; on unix `--net:service` says what it is attached to. */
export const defaultNetwork: Device<'network'> = match(target, {
  unix: device('@mirage-ts/node/network', 'createNetwork', {
    takes: { random: 'random' },
    makes: 'network',
    keys: {
      attachment: bootKey('net:service', {
        type: string,
        default: 'tap:tap0',
        doc: 'what the network is attached to: tap:NAME, or stream:PATH of a Unix socket',
        section: NETWORK,
      }),
    },
    label: 'service',
  })({ random: defaultRandom }),
  virtio: device('@mirage-ts/metal/network', 'createNetwork', {
    makes: 'network',
    options: { index: 0 },
    label: 'service',
  })(),
})

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

const ipv4Key = bootKey('ipv4', {
  type: ipv4Cidr,
  default: '10.0.0.2/24',
  doc: 'the IPv4 address and its prefix length',
  section: NETWORK,
})

const ipv4GatewayKey = bootKey('ipv4-gateway', {
  type: ipv4Address,
  doc: 'the router to everywhere else; none by default',
  section: NETWORK,
})

/** IPv4 with the address and gateway that `--ipv4` and `--ipv4-gateway` give. */
export function staticIpv4(ethernet: Device<'ethernet'>, arp: Device<'arp'>): Device<'ipv4'> {
  return device('@mirage-ts/net/ipv4', 'createIpv4', {
    takes: { ethernet: 'ethernet', arp: 'arp', random: 'random', clock: 'clock', time: 'time' },
    makes: 'ipv4',
    keys: { cidr: ipv4Key, gateway: ipv4GatewayKey },
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
export function directStack(network: Device<'network'> = defaultNetwork): Device<'stack'> {
  const link = ethernet(network)
  const ip = staticIpv4(link, arp(link))
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

/** Whose TCP/IP a `genericStack` is: the host's or ours. */
export const net = configureKey('net', {
  words: ['host', 'direct'],
  default: 'host',
  doc: "whose TCP/IP: the host's sockets, or our own stack on a network device",
})

/** A network stack: `--net host|direct` where the target has an operating system, our own elsewhere. */
export function genericStack(network: Device<'network'> = defaultNetwork): Device<'stack'> {
  const direct = directStack(network)
  return match(target, {
    unix: match(net, { host: hostStack(), direct }),
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
