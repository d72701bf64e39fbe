import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { parseArgs } from '@mirage-ts/core/boot-args'
import { cacheFolder } from '../cache-folder.ts'
import type { Command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { COMMON, JSON_OPTION } from '../options.ts'
import { table } from '../output.ts'
import { findPackage, ownPackage } from '../packages.ts'
import { QEMU } from '../run-virtio.ts'
import { findToolchain, isOnPath, TOOLS } from '../toolchain.ts'

/** One line of the doctor. */
interface Finding {
  readonly what: string
  /** What is there; `undefined` when it is missing. */
  readonly found: string | undefined
  /** What it is needed for. */
  readonly for: string
  /** What to do about it. */
  readonly remedy: string
}

const OLDEST_NODE = [20, 19] as const

/** `mirage doctor`: is everything here that targets need? */
export const doctor: Command = {
  name: 'doctor',
  summary: 'check that everything is installed, with the remedy for what is not',
  details: `One line for each thing that building and running need: QEMU, KVM, taps, the compiler and so on. Only Node.js and the
packages of the tool itself are needed for target unix; the rest is named with what it is for. Ends with status 1 when
something is missing that every build needs.`,
  options: JSON_OPTION,
  async run({ words, output }) {
    const parsed = parseArgs({ ...COMMON, ...this.options }, words)
    if (parsed.tag === 'error') throw new UsageError(parsed.message)
    const findings = await examine()
    if (parsed.tag === 'args' && parsed.args['json'] === true) output.print(JSON.stringify(findings, null, 2))
    else {
      const rows = findings.map(({ what, found, for: purpose, remedy }) => [
        found === undefined ? 'missing' : 'ok',
        what,
        found ?? `for ${purpose}: ${remedy}`,
      ])
      const painted = table(rows)
        .split('\n')
        .map((line) =>
          line.replace(/^ok/, output.paint('good', 'ok')).replace(/^missing/, output.paint('bad', 'missing')),
        )
      output.print(painted.join('\n'))
    }
    return findings.some((finding) => finding.found === undefined && finding.for === 'everything') ? 1 : 0
  },
}

async function examine(): Promise<readonly Finding[]> {
  const own = ownPackage().folder
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isNewEnough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
  const { isCompiled } = await findToolchain()
  const taps = tapNames()
  return [
    {
      what: 'Node.js',
      found: isNewEnough ? process.versions.node : undefined,
      for: 'everything',
      remedy: `install version ${OLDEST_NODE.join('.')} or later; this is ${process.versions.node}`,
    },
    ...['esbuild', 'typescript'].map((name) => ({
      what: name,
      found: findPackage(name, own)?.version,
      for: 'everything',
      remedy: 'npm install, without --omit=optional',
    })),
    ...TOOLS.map((tool) => ({
      what: tool.name,
      found: tool.found() ? 'installed' : undefined,
      for: 'compiling the native runtime',
      remedy: `apt-get install ${tool.package}`,
    })),
    {
      what: 'native runtime',
      found: isCompiled ? `compiled, in ${cacheFolder()}` : undefined,
      for: 'target virtio and taps',
      remedy: 'the first mirage build -t virtio compiles it, once, in about a minute',
    },
    {
      what: 'QEMU',
      found: isOnPath(QEMU) ? qemuVersion() : undefined,
      for: 'mirage run -t virtio',
      remedy: 'apt-get install qemu-system-x86',
    },
    {
      what: 'KVM',
      found: canUse('/dev/kvm') ? '/dev/kvm' : undefined,
      for: 'mirage run --kvm',
      remedy: existsSync('/dev/kvm')
        ? 'add yourself to the group kvm; without it QEMU emulates, slower'
        : 'this machine offers none; without it QEMU emulates, slower',
    },
    {
      what: 'tap interfaces',
      found: canUse('/dev/net/tun')
        ? taps.length > 0
          ? taps.join(', ')
          : 'can be opened; there is none yet'
        : undefined,
      for: '--net tap:NAME',
      remedy: 'needs root or a tap made for you: ip tuntap add tap0 mode tap user $USER',
    },
    {
      what: 'git',
      found: isOnPath('git') ? 'installed' : undefined,
      for: 'mirage build --record',
      remedy: 'apt-get install git',
    },
  ]
}

function qemuVersion(): string {
  const text = execFileSync(QEMU, ['--version'], { encoding: 'utf8' })
  return /version (\S+)/.exec(text)?.[1] ?? text.trim()
}

function canUse(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK)
    return true
  } catch {
    // Absent or not ours: the remedy tells.
    return false
  }
}

function tapNames(): string[] {
  const folder = '/sys/class/net'
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => existsSync(`${folder}/${name}/tun_flags`))
}
