/** What applications ask for above a stack: names, connections, HTTP. */
import type { HappyEyeballs } from '@mirage-ts/signatures/happy-eyeballs'
import type { AddressResolver } from '@mirage-ts/signatures/resolver'
import { bootKey, type Device, device, ipAddress, listOf, port } from './config.ts'
import { defaultClock, defaultLog, defaultRandom, defaultTime, defaultWallClock } from './default-devices.ts'
import type { GroupOptions } from './network-devices.ts'

declare module './config.ts' {
  interface Kinds {
    resolver: AddressResolver
    'happy-eyeballs': HappyEyeballs
    /** `HttpService` of `@mirage-ts/apps/http/service`: this package does not know applications. */
    'http-server': object
  }
}

/** Whom a resolver asks, where the command line names no others. */
export interface ResolverOptions extends GroupOptions {
  readonly nameservers?: readonly string[]
}

/**
 * Finds addresses by name, with a cache: asks the resolvers that `--nameservers` names, or else those that the network has told
 * of, by DHCP or IPv6 router advertisements; over the host's stack, those of the host.
 */
export function resolver(stack: Device<'stack'>, { group, nameservers }: ResolverOptions = {}): Device<'resolver'> {
  return device('@mirage-ts/apps/dns/resolver/client', 'createDnsClient', {
    takes: { stack: 'stack', time: 'time', clock: 'clock', random: 'random' },
    makes: 'resolver',
    keys: {
      nameservers: bootKey('nameservers', {
        type: listOf(ipAddress),
        default: nameservers?.join(','),
        doc: 'the resolvers to ask; those that the network tells of, if left out',
        section: 'NETWORK',
        group,
      }),
    },
  })({ stack, time: defaultTime, clock: defaultClock, random: defaultRandom })
}

/** Connects over TCP to whoever has a name, trying IPv6 and IPv4 as RFC 8305 says. */
export function happyEyeballs(
  stack: Device<'stack'>,
  names: Device<'resolver'> = resolver(stack),
): Device<'happy-eyeballs'> {
  return device('@mirage-ts/net/happy-eyeballs', 'createHappyEyeballs', {
    takes: { stack: 'stack', resolver: 'resolver', clock: 'clock', time: 'time' },
    makes: 'happy-eyeballs',
  })({ stack, resolver: names, clock: defaultClock, time: defaultTime })
}

/** An HTTP server that needs to be told only what to answer; it listens on `--port`. */
export function httpServer(stack: Device<'stack'>, { group }: GroupOptions = {}): Device<'http-server'> {
  return device('@mirage-ts/apps/http/service', 'createHttpService', {
    takes: { stack: 'stack', time: 'time', clock: 'clock', wallClock: 'wall-clock', log: 'log' },
    makes: 'http-server',
    keys: { port: bootKey('port', { type: port, default: 80, doc: 'TCP port to serve on', section: 'HTTP', group }) },
  })({ stack, time: defaultTime, clock: defaultClock, wallClock: defaultWallClock, log: defaultLog })
}
