/**
 * The functions that web programs expect to find and that need a device: timers, `fetch`, `crypto`, `console`,
 * `performance`. Only what is missing is put in place, so on Node.js this does nothing.
 */
import './globals.ts'
import type { HttpClient } from '@mirage-ts/apps/http/client'
import { messageOf } from '@mirage-ts/core/errors'
import { after, ms } from '@mirage-ts/core/time'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { AbortController, AbortSignal } from './abort.ts'
import { createConsole } from './console.ts'
import { DOMException } from './dom-exception.ts'
import { octetsOf } from './encoding.ts'
import { setErrorReport } from './events.ts'
import { createFetch } from './fetch.ts'
import { installGlobal } from './globals.ts'
import { createWebSocketClass } from './websocket.ts'

export interface GlobalDevices {
  readonly time: Time
  readonly clock: MonotonicClock
  readonly log: Log
  /** For `crypto`; without it there is none. */
  readonly random?: Random
  /** For `fetch` and `WebSocket`; without it there are none. */
  readonly client?: HttpClient
}

/** Puts in place what is missing. Call it once, before the program that expects it. */
export function installDeviceGlobals({ time, clock, log, random, client }: GlobalDevices): void {
  const logger = log.logger('app')
  const timers = createTimers({ time, clock }, (error) => logger.error(`Uncaught: ${messageOf(error)}`))
  for (const [name, value] of Object.entries(timers)) installGlobal(name, value)
  installGlobal('performance', { now: () => clock.now() / 1000, timeOrigin: Date.now() - clock.now() / 1000 })
  installGlobal('console', createConsole(log, clock))
  if (random !== undefined) installGlobal('crypto', createCrypto(random))
  if (client !== undefined) installGlobal('fetch', createFetch({ client }))
  if (client !== undefined && random !== undefined) {
    installGlobal('WebSocket', createWebSocketClass({ client, time, clock, random }))
  }
  setErrorReport((error) => logger.error(`Uncaught: ${messageOf(error)}`))
  if ((globalThis as { AbortSignal?: unknown }).AbortSignal === AbortSignal) {
    Object.assign(AbortSignal, {
      timeout: (milliseconds: number) => {
        const controller = new AbortController()
        timers.setTimeout(
          () => controller.abort(new DOMException('The operation timed out', 'TimeoutError')),
          milliseconds,
        )
        return controller.signal
      },
    })
  }
}

/** `setTimeout` and its kin (HTML §8.6) over alarms. `report` gets what a callback throws. */
export function createTimers(
  { time, clock }: { readonly time: Time; readonly clock: MonotonicClock },
  report: (error: unknown) => void,
) {
  const alarms = new Map<number, Alarm>()
  let lastId = 0
  const start = (
    isRepeated: boolean,
    callback: (...args: unknown[]) => void,
    milliseconds: number,
    args: unknown[],
  ) => {
    const id = ++lastId
    const delay = ms(Math.max(0, Number(milliseconds) || 0))
    const alarm = time.alarm(() => {
      if (isRepeated) alarm.set(after(clock.now(), delay))
      else alarms.delete(id)
      try {
        callback(...args)
      } catch (error) {
        report(error)
      }
    })
    alarms.set(id, alarm)
    alarm.set(after(clock.now(), delay))
    return id
  }
  const clear = (id?: number) => {
    if (id === undefined) return
    alarms.get(id)?.clear()
    alarms.delete(id)
  }
  return {
    setTimeout: (callback: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]): number =>
      start(false, callback, milliseconds, args),
    setInterval: (callback: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]): number =>
      start(true, callback, milliseconds, args),
    clearTimeout: clear,
    clearInterval: clear,
  }
}

/** The part of `crypto` that needs nothing but random octets. */
function createCrypto(random: Random) {
  return {
    getRandomValues<T extends ArrayBufferView>(view: T): T {
      const octets = octetsOf(view)
      if (octets.length > 65536) throw new DOMException('Cannot fill more than 65536 octets', 'QuotaExceededError')
      random.fill(octets, 0, octets.length)
      return view
    },
    /** RFC 9562 §5.4. */
    randomUUID(): string {
      const octets = new Uint8Array(16)
      random.fill(octets, 0, 16)
      octets[6] = ((octets[6] as number) & 15) | 0x40
      octets[8] = ((octets[8] as number) & 63) | 0x80
      const hex = Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('')
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    },
  }
}
