/**
 * Connecting to a host by name or by several addresses (RFC 8305): the addresses of a name are put in order (RFC 6724 §6), those
 * of a list are in the order given; then they take turns by family, each gets a head start before the next one is tried beside
 * it, and the first connection wins.
 */
import { endpointToString, isIpv4, parseIp } from '@mirage-ts/core/addresses'
import { CancelController } from '@mirage-ts/core/cancel'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import { after, ms } from '@mirage-ts/core/time'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { HappyEyeballs } from '@mirage-ts/signatures/happy-eyeballs'
import type { AddressResolver } from '@mirage-ts/signatures/resolver'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Duration, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { orderDestinations } from './destination-order.ts'

/** RFC 8305 §5: "the recommended value is 250 milliseconds". */
const ATTEMPT_DELAY: Duration = ms(250)
/** RFC 8305 §3: how long an IPv4 answer waits for that of IPv6. */
const RESOLUTION_DELAY: Duration = ms(50)
/** Addresses tried at most: a name with hundreds of them must not open hundreds of connections. */
const MAX_ADDRESSES = 16

export interface HappyEyeballsOptions {
  /** Head start of an attempt. Default 250 ms. */
  readonly attemptDelay?: Duration
}

export interface HappyEyeballsDeps {
  /** Whose TCP connects; its addresses are what the order of destinations goes by. */
  readonly stack: Pick<Stack, 'tcp' | 'addresses'>
  readonly clock: MonotonicClock
  readonly time: Time
  readonly resolver: AddressResolver
}

export function createHappyEyeballs(
  deps: HappyEyeballsDeps,
  { attemptDelay = ATTEMPT_DELAY }: HappyEyeballsOptions = {},
): HappyEyeballs {
  return {
    async connect(host, port, options = {}) {
      const addresses = await addressesOf(deps, host, options)
      if (addresses.length === 0) {
        throw new NetError('host-unreachable', `Cannot connect to ${String(host)}: there is no address`)
      }
      return race(deps, interleave(addresses), port, attemptDelay, options)
    },
  }
}

async function addressesOf(
  { resolver, time, stack }: HappyEyeballsDeps,
  host: string | readonly IpAddress[],
  options: Cancellable,
): Promise<readonly IpAddress[]> {
  if (typeof host !== 'string') return host
  const literal = parseIp(host)
  if (literal !== undefined) return [literal]
  const found = await resolve(resolver, time, host, options)
  // Where the operating system keeps our addresses to itself, there is nothing to go by.
  return stack.addresses.length === 0 ? found : orderDestinations(found, stack.addresses)
}

/**
 * Asks for both families at once. Deviation from RFC 8305 §3: an answer about IPv6 waits as briefly for IPv4 as the other way
 * round, so that the list is complete when the race begins.
 */
async function resolve(
  resolver: AddressResolver,
  time: Time,
  name: string,
  options: Cancellable,
): Promise<readonly IpAddress[]> {
  let failure: unknown
  const found: { six: readonly IpAddress[]; four: readonly IpAddress[] } = { six: [], four: [] }
  const failed = (error: unknown): void => {
    failure ??= error
  }
  const six = resolver.ipv6(name, options).then((answer) => {
    found.six = answer
  }, failed)
  const four = resolver.ipv4(name, options).then((answer) => {
    found.four = answer
  }, failed)
  const both = Promise.all([six, four])
  const isUseful = (): boolean => found.six.length + found.four.length > 0
  await Promise.race([six, four])
  if (!isUseful()) await both
  const patience = new CancelController()
  const wait = time.sleep(RESOLUTION_DELAY, { signal: patience.signal }).catch(() => {
    // The other answer came in time.
  })
  await Promise.race([both, wait])
  patience.cancel()
  options.signal?.throwIfAborted()
  if (!isUseful() && failure !== undefined) {
    throw new NetError('host-unreachable', `Cannot connect to ${name}: ${messageOf(failure)}`, { cause: failure })
  }
  return [...found.six, ...found.four]
}

/** RFC 8305 §4: the families take turns, beginning with that of the best address. */
export function interleave(addresses: readonly IpAddress[]): readonly IpAddress[] {
  const isFirstKind = (one: IpAddress): boolean => isIpv4(one) === isIpv4(addresses[0] as IpAddress)
  const first = addresses.filter(isFirstKind)
  const second = addresses.filter((one) => !isFirstKind(one))
  const mixed: IpAddress[] = []
  for (let i = 0; i < Math.max(first.length, second.length); i++)
    mixed.push(...first.slice(i, i + 1), ...second.slice(i, i + 1))
  return mixed.slice(0, MAX_ADDRESSES)
}

/** Runs the attempts; those that lose are cancelled, and a connection that comes too late is ended. */
function race(
  { stack: { tcp }, time, clock }: HappyEyeballsDeps,
  addresses: readonly IpAddress[],
  port: Port,
  attemptDelay: Duration,
  { signal }: Cancellable,
): Promise<TcpFlow> {
  signal?.throwIfAborted()
  const attempts = new CancelController()
  const failures: unknown[] = []
  let next = 0
  let isSettled = false
  return new Promise<TcpFlow>((resolve, reject) => {
    const alarm = time.alarm(() => start())
    const settle = (): void => {
      isSettled = true
      alarm.clear()
      signal?.removeEventListener('abort', cancel)
      attempts.cancel()
    }
    const cancel = (): void => {
      settle()
      reject(signal?.reason)
    }
    const win = (flow: TcpFlow): void => {
      if (isSettled) {
        flow.abort()
        return
      }
      settle()
      resolve(flow)
    }
    const fail = (error: unknown): void => {
      failures.push(error)
      if (isSettled) return
      if (failures.length === addresses.length) {
        settle()
        reject(summary(addresses, port, failures))
      } else {
        // RFC 8305 §5: a failure gives the next one its turn at once.
        start()
      }
    }
    const start = (): void => {
      const address = addresses[next]
      if (address === undefined) return
      next++
      if (next < addresses.length) alarm.set(after(clock.now(), attemptDelay))
      else alarm.clear()
      tcp.connect({ address, port }, { signal: attempts.signal }).then(win, fail)
    }
    signal?.addEventListener('abort', cancel)
    start()
  })
}

function summary(addresses: readonly IpAddress[], port: Port, failures: readonly unknown[]): NetError {
  const last = failures.at(-1)
  const code = last instanceof NetError ? last.code : 'host-unreachable'
  if (failures.length === 1 && last instanceof NetError) return last
  const tried = addresses.map((address) => endpointToString({ address, port })).join(', ')
  const cause = new AggregateError(failures, failures.map(messageOf).join('; '))
  return new NetError(code, `Cannot connect to any of ${tried}: ${messageOf(last)}`, { cause })
}
