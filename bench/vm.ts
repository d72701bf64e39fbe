/**
 * Our images against a Linux machine that does the same, both in QEMU on the same emulated processor (TCG) and behind QEMU's
 * own network, ours on a microvm and Linux, which finds no devices there without ACPI, on a q35: time from executing QEMU to the first answer, the least memory with which there is one, requests and
 * queries per second. The Linux machine is as small as it gets: see `lib/linux-vm.ts`. Emulation makes everything slow, so only
 * the ratios mean something.
 *
 *   node --import tsx bench/vm.ts [--seconds 3] [--rounds 3]
 *
 * Needs root and Debian's nginx-light, nsd, wrk, dnsperf and qemu-system-x86.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { build, copyExample, ROOT } from '../tests/lib/mirage.ts'
import { makeLinuxVm } from './lib/linux-vm.ts'
import { type BootOptions, Machine, median } from './lib/machine.ts'
import { record } from './lib/results.ts'

const HTTP_PORT = 18_090
const DNS_PORT = 18_053
const FILE = 'style.css'
const ANSWER_LIMIT_MS = 60_000
const ZONE = `$TTL 60
@ SOA ns root 1 3600 600 86400 60
@ NS ns
@ MX 10 mail
ns A 192.0.2.1
mail A 192.0.2.2
www AAAA 2001:db8::80
`

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '3' }, rounds: { type: 'string', default: '3' } },
})
const rounds = Number(values.rounds)

interface Guest {
  readonly name: string
  readonly image: string
  readonly options: BootOptions
  readonly memoriesMib: readonly number[]
}

/** Resolves when the guest has answered. */
type Ask = () => Promise<void>

const work = mkdtempSync(join(tmpdir(), 'mirage-bench-'))
const website = copyExample('applications/static-website')
const dns = copyExample('applications/dns-server')
try {
  // Without what only some servers know, such as $GENERATE.
  rmSync(join(dns.folder, 'zones'), { recursive: true })
  mkdirSync(join(dns.folder, 'zones'))
  writeFileSync(join(dns.folder, 'zones/example.com.zone'), ZONE)
  await build(website.folder, '-t', 'virtio')
  await build(dns.folder, '-t', 'virtio')
  const linux = makeLinuxVm(join(website.folder, 'site'), join(dns.folder, 'zones'))
  const ports = { hostPort: HTTP_PORT, hostDnsPort: DNS_PORT }
  const linuxGuest: Guest = {
    name: 'Linux',
    image: linux.kernel,
    options: { memMib: 256, append: 'console=ttyS0 quiet', initrd: linux.initrd, machine: 'q35', ...ports },
    memoriesMib: [32, 48, 64, 80, 96, 128, 160, 192, 256],
  }
  const ours = (name: string, image: string): Guest => ({
    name,
    image,
    options: {
      memMib: 32,
      append: `--ipv4=10.0.2.15/24 --ipv4-gateway=10.0.2.2${name === 'dns-server' ? ' --rate=0' : ''}`,
      ...ports,
    },
    memoriesMib: [4, 6, 8, 10, 12, 16, 20, 24, 32],
  })
  await compare(
    'HTTP',
    ours('static-website', join(website.folder, 'dist/static-website.virtio')),
    linuxGuest,
    askHttp,
    wrk,
  )
  await compare('DNS', ours('dns-server', join(dns.folder, 'dist/dns-server.virtio')), linuxGuest, askDns, dnsperf)
} finally {
  website.remove()
  dns.remove()
  rmSync(work, { recursive: true, force: true })
}

async function compare(title: string, a: Guest, b: Guest, ask: Ask, perSecond: () => number): Promise<void> {
  const [times, rates, memories] = [[], [], []] as [number[], number[], number[]]
  for (const guest of [a, b]) {
    const first: number[] = []
    for (let i = 0; i < rounds; i++) first.push(await firstAnswerMs(guest, ask))
    times.push(median(first))
    memories.push(await leastMemory(guest, ask))
    rates.push(await rateOf(guest, ask, perSecond))
  }
  const line = (what: string, values: readonly number[], unit: string) => {
    for (const [i, { name }] of [a, b].entries())
      record({ group: `${title}: ${what}`, name, value: values[i] ?? 0, unit })
  }
  line('first answer', times, 'ms')
  line('least memory', memories, 'MiB')
  line('answers', rates, 'each second')
}

/** Boots the guest, does something once it has answered, and stops it. `undefined` when it does not answer. */
async function whenUp<T>({ image, options }: Guest, ask: Ask, action: (machine: Machine) => T): Promise<T | undefined> {
  const machine = new Machine(image, options)
  try {
    while (machine.elapsedMs() < ANSWER_LIMIT_MS && machine.process.exitCode === null) {
      const isThere = await ask().then(
        () => true,
        () => false,
      )
      if (isThere) return action(machine)
      await sleep(2)
    }
    return undefined
  } finally {
    await machine.stop()
  }
}

async function firstAnswerMs(guest: Guest, ask: Ask): Promise<number> {
  const ms = await whenUp(guest, ask, (machine) => machine.elapsedMs())
  if (ms === undefined) throw new Error(`${guest.name} does not answer`)
  return ms
}

async function rateOf(guest: Guest, ask: Ask, perSecond: () => number): Promise<number> {
  const rate = await whenUp(guest, ask, () => median(Array.from({ length: rounds }, perSecond)))
  return rate ?? Number.NaN
}

async function leastMemory(guest: Guest, ask: Ask): Promise<number> {
  for (const memMib of guest.memoriesMib) {
    const options = { ...guest.options, memMib }
    if ((await whenUp({ ...guest, options }, ask, () => true)) === true) return memMib
  }
  return Number.NaN
}

async function askHttp(): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${HTTP_PORT}/${FILE}`, { signal: AbortSignal.timeout(500) })
  if (!response.ok) throw new Error(String(response.status))
  await response.arrayBuffer()
}

async function askDns(): Promise<void> {
  const target = ['@127.0.0.1', '-p', String(DNS_PORT), '+short', '+time=1', '+tries=1', 'www.example.com', 'AAAA']
  const output = execFileSync('dig', target, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  if (!output.includes('2001:')) throw new Error('no answer')
}

function wrk(): number {
  const args = ['-t1', '-c8', `-d${values.seconds}s`, `http://127.0.0.1:${HTTP_PORT}/${FILE}`]
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(execFileSync('wrk', args, { encoding: 'utf8', cwd: ROOT }))?.[1])
}

function dnsperf(): number {
  const queries = join(work, 'queries')
  writeFileSync(queries, 'www.example.com AAAA\nexample.com MX\nmail.example.com A\n')
  const args = [
    '-s',
    '127.0.0.1',
    '-p',
    String(DNS_PORT),
    '-d',
    queries,
    '-l',
    values.seconds,
    '-c',
    '2',
    '-T',
    '1',
    '-q',
    '20',
  ]
  return Number(/Queries per second:\s+([\d.]+)/.exec(execFileSync('dnsperf', args, { encoding: 'utf8' }))?.[1])
}
