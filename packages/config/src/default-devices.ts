/** What every machine has: a console, clocks, time, randomness, a log. Each is one device that everybody shares. */
import {
  bootKey,
  configureKey,
  type Device,
  device,
  type Functor,
  type Kind,
  logLevels,
  match,
  type Takes,
  target,
} from './config.ts'
import { TARGETS, type TargetName } from './targets.ts'

/** The device of this kind that the platform package of each target provides under the same names, but for `other` modules. */
function ofPlatform<const K extends Kind>(
  module: string,
  create: string,
  makes: K,
  other: Partial<Record<TargetName, string>> = {},
): Device<K> {
  return match(target, ofEachPlatform(module, create, makes, other))
}

function ofEachPlatform<const K extends Kind>(
  module: string,
  create: string,
  makes: K,
  other: Partial<Record<TargetName, string>> = {},
): Record<TargetName, Device<K>> {
  const cases: Partial<Record<TargetName, Device<K>>> = {}
  for (const { name, platform } of Object.values(TARGETS)) {
    const functor: Functor<Takes, K> = device(`${platform}/${other[name] ?? module}`, create, { makes })
    cases[name] = functor({})
  }
  return cases as Record<TargetName, Device<K>>
}

const consoleKey = configureKey('console', {
  words: ['serial', 'virtio'],
  default: 'serial',
  doc: 'virtio: where output goes; virtio is for machines without a serial port, and falls back to one',
})
const consoles = ofEachPlatform('console', 'createConsole', 'console')
const virtioConsole: Functor<Takes, 'console'> = device('@mirage-ts/metal/console-virtio', 'createConsole', {
  makes: 'console',
})

/** Where the machine's output goes: on virtio `--console` chooses the device. */
export const defaultConsole: Device<'console'> = match(target, {
  ...consoles,
  virtio: match(consoleKey, { serial: consoles.virtio, virtio: virtioConsole({}) }),
})

/** The clock that never steps. */
export const defaultClock: Device<'clock'> = ofPlatform('clock', 'createMonotonicClock', 'clock')

/** The civil clock. */
export const defaultWallClock: Device<'wall-clock'> = ofPlatform('clock', 'createWallClock', 'wall-clock')

/** Sleeping and alarms. */
export const defaultTime: Device<'time'> = ofPlatform('time', 'createTime', 'time')

/** The platform's strong random numbers. */
export const defaultRandom: Device<'random'> = ofPlatform('random', 'createRandom', 'random', {
  // The hypervisor may have an entropy device where the processor has no generator.
  virtio: 'random-machine',
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
