/**
 * Every combination of role, direction, loss, delay and MTU between our TCP and Linux's, and lines that reorder, duplicate,
 * corrupt or are slow. Every octet is checked, and that nothing is left behind. Root only; takes some minutes:
 *
 *   node --import tsx tests/matrix/tcp.ts [--jobs N] [--only TEXT]
 */
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { ms } from '@mirage-ts/core/time'
import type { Impairments } from '@mirage-ts/testing/impaired-network'
import { LinuxLink, type Transfer } from '../lib/linux-tcp.ts'

interface Case {
  readonly name: string
  readonly mtuBytes: number
  readonly isIpv6: boolean
  readonly line: Impairments
  readonly transfer: Transfer
}

/** A transfer that takes longer stalls: 100 s is when either side gives up. */
const LIMIT_MS = 120_000
const KIB = 1024

function cases(): Case[] {
  const all: Case[] = []
  const add = (name: string, mtuBytes: number, line: Impairments, lenBytes: number, isIpv6 = false): void => {
    for (const role of ['connect', 'listen'] as const) {
      for (const direction of ['up', 'down', 'both'] as const) {
        const upBytes = direction === 'down' ? 0 : lenBytes
        const downBytes = direction === 'up' ? 0 : lenBytes
        all.push({
          name: `${role} ${direction} IPv${isIpv6 ? 6 : 4} mtu ${mtuBytes} ${name}`,
          mtuBytes,
          isIpv6,
          line,
          transfer: { role, upBytes, downBytes },
        })
      }
    }
  }
  for (const mtuBytes of [576, 1500]) {
    for (const loss of [0, 0.01, 0.05, 0.2]) {
      for (const delayMs of [1, 50, 200]) {
        const lenKib = loss === 0 ? 2048 : loss === 0.01 ? 512 : loss === 0.05 ? 128 : 32
        add(`loss ${loss} delay ${delayMs}`, mtuBytes, { loss, delay: ms(delayMs) }, lenKib * KIB)
      }
    }
    const delay = ms(10)
    add('reorder 0.05', mtuBytes, { delay, reorder: 0.05 }, 1024 * KIB)
    add('duplicate 0.05', mtuBytes, { delay, duplicate: 0.05 }, 1024 * KIB)
    add('corrupt 0.02', mtuBytes, { delay, corrupt: 0.02 }, 512 * KIB)
    add('10 Mbit/s', mtuBytes, { delay, rateBytes: 1.25e6 }, 2048 * KIB)
    add('1 Mbit/s buffer 8 KiB', mtuBytes, { delay, rateBytes: 125e3, bufferBytes: 8 * KIB }, 256 * KIB)
    const everything = { delay, loss: 0.02, reorder: 0.02, duplicate: 0.02, corrupt: 0.01, rateBytes: 1.25e6 }
    add('everything', mtuBytes, everything, 512 * KIB)
  }
  const delay = ms(1)
  for (const mtuBytes of [577, 600, 900, 1280, 1492, 3000, 9000]) add('clean', mtuBytes, { delay }, 1024 * KIB)
  for (const mtuBytes of [1280, 1281, 1492, 1500, 3000, 9000]) add('clean', mtuBytes, { delay }, 1024 * KIB, true)
  for (const loss of [0.01, 0.05, 0.2]) add(`loss ${loss}`, 1500, { loss, delay: ms(10) }, 128 * KIB, true)
  return all
}

async function run(one: Case): Promise<string> {
  const link = await LinuxLink.open({ mtuBytes: one.mtuBytes, isIpv6: one.isIpv6 })
  const { counters } = link.stack.tcp
  let timer: NodeJS.Timeout | undefined
  try {
    link.line.impairments = one.line
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`not over after ${LIMIT_MS / 1000} s: ${JSON.stringify(counters)}`)),
        LIMIT_MS,
      )
    })
    const tookMs = await Promise.race([link.transfer(one.transfer), limit])
    assert.equal(link.stack.tcp.bufferBytes, 0, 'octets left in buffers')
    const { retransmittedSegments: again, timeouts, tailProbes } = counters
    return `${String(tookMs).padStart(7)} ms  sent again ${again}, timeouts ${timeouts}, tail probes ${tailProbes}`
  } finally {
    clearTimeout(timer)
    link.close()
  }
}

const { values } = parseArgs({
  options: { jobs: { type: 'string', default: '8' }, only: { type: 'string', default: '' } },
})
const queue = cases().filter((one) => one.name.includes(values.only))
let failedCount = 0
let passedCount = 0

async function worker(): Promise<void> {
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    try {
      console.log(`ok      ${one.name.padEnd(48)} ${await run(one)}`)
      passedCount++
    } catch (error) {
      failedCount++
      console.log(`FAILED  ${one.name.padEnd(48)} ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, worker))
console.log(`${passedCount} passed, ${failedCount} failed`)
process.exitCode = failedCount === 0 ? 0 : 1
