/** Our end of a tap whose other end is Linux's, in a namespace. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMonotonicClock } from '@mirage-ts/node/clock'
import { createNetwork } from '@mirage-ts/node/network'
import { createRandom } from '@mirage-ts/node/random'
import { createTime } from '@mirage-ts/node/time'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Network } from '@mirage-ts/signatures/network'
import type { Alarm, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { Namespace } from './namespace.ts'

const TAP_SOURCE = fileURLToPath(new URL('../../native/host/tap.c', import.meta.url))

/** Opens the tap `name` in `namespace`, making it if it is not there. Ends with `close` of the network. */
export async function openTapIn(
  namespace: Namespace,
  name: string,
  {
    offload = false,
    mac,
    mtuBytes = 1500,
  }: { readonly offload?: boolean; readonly mac?: Mac; readonly mtuBytes?: number } = {},
): Promise<Network> {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-tap-'))
  // The relay that our device starts is the real one, moved into the namespace.
  const relay = join(folder, 'mirage-tap')
  writeFileSync(relay, `#!/bin/sh\nexec ip netns exec ${namespace.name} ${tapProgram()} "$@"\n`, { mode: 0o755 })
  const given = process.env['MIRAGE_TAP']
  process.env['MIRAGE_TAP'] = relay
  const options = { attachment: `tap:${name}`, offload, mtuBytes }
  const opening = createNetwork({ random: createRandom() }, mac === undefined ? options : { ...options, mac })
  if (given === undefined) delete process.env['MIRAGE_TAP']
  else process.env['MIRAGE_TAP'] = given
  try {
    return await opening
  } finally {
    rmSync(folder, { recursive: true })
  }
}

let builtTap: string | undefined

/** mirage-tap, built once for the process; the folder goes with it. */
export function tapProgram(): string {
  const given = process.env['MIRAGE_TAP'] ?? builtTap
  if (given !== undefined) return given
  const folder = mkdtempSync(join(tmpdir(), 'mirage-tap-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  builtTap = join(folder, 'mirage-tap')
  execFileSync('cc', ['-D_GNU_SOURCE', '-O2', '-o', builtTap, TAP_SOURCE], { stdio: 'inherit' })
  return builtTap
}

/** Real time whose alarms can all be cleared: what a stack still waits for (neighbours, for one) must not keep the process alive. */
export function createEndingTime(): Time & MonotonicClock & { end(): void } {
  const clock = createMonotonicClock()
  const time = createTime()
  const alarms: Alarm[] = []
  return {
    now: () => clock.now(),
    sleep: time.sleep.bind(time),
    alarm: (ring) => {
      const made = time.alarm(ring)
      alarms.push(made)
      return made
    },
    end: () => {
      for (const alarm of alarms) alarm.clear()
    },
  }
}
