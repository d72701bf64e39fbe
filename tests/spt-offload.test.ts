/**
 * The offloads of a tap with the sealed process: Linux echoes a stream off it and checks every octet, and tcpdump says which
 * frames were large. Then across a wire that carries ordinary frames only, where tcpdump says whether the kernel cut them and
 * finished their checksums as we meant it. Needs root, tcpdump and ethtool.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { longestFrames } from './lib/capture.ts'
import { build, copyExample } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'
import { stop } from './lib/processes.ts'

const PEER = fileURLToPath(new URL('./tcp-linux-peer.mjs', import.meta.url))
const LEN_BYTES = 4 * 1024 * 1024
const ORDINARY_LEN = 1514
const HOSTS = ['10.0.0.2', '2001:db8::2'] as const

describe('offloads of a tap on spt', { skip: NO_NAMESPACES }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'mirage-offload-'))
  const { folder, remove } = copyExample('../tests/unikernels/tcp-echo')
  let expected: unknown
  before(async () => {
    await build(folder, '-t', 'spt', '--ip', 'dual')
  })
  after(() => {
    remove()
    rmSync(scratch, { recursive: true })
  })

  /** Runs `body` with the sealed process on tap0 of a new namespace. */
  async function withEcho(tap: string, body: (namespace: Namespace) => Promise<void>, memMib = 32): Promise<void> {
    const namespace = new Namespace()
    let echo: ChildProcess | undefined
    try {
      await namespace.run('sysctl', '-q', '-w', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
      namespace.ip('tuntap', 'add', 'dev', 'tap0', 'mode', 'tap')
      namespace.ip('link', 'set', 'tap0', 'up')
      const { spt } = (await findToolchain()).toolchain
      const image = join(folder, 'dist/tcp-echo.spt')
      const boot = ['--ipv4=10.0.0.2/24', '--ipv6=2001:db8::2/64']
      echo = inNamespace(namespace, spt, '--mem', String(memMib), '--net', `${tap}:tap0`, image, ...boot)
      expected ??= JSON.parse(await namespace.run(process.execPath, PEER, 'hash', '-', '0', String(LEN_BYTES)))
      await body(namespace)
      assert.equal(echo.exitCode, null)
    } finally {
      if (echo !== undefined) await stop(echo)
      namespace.remove()
    }
  }

  /** Captures on `device` while a stream is echoed off `host`; returns the file. */
  async function captured(namespace: Namespace, device: string, host: string): Promise<string> {
    const file = join(scratch, 'capture.pcap')
    const options = ['-i', device, '-U', '--immediate-mode', '-Z', 'root', '-B', '65536', '-w', file, 'tcp']
    const tcpdump = inNamespace(namespace, 'tcpdump', ...options)
    try {
      await once(tcpdump.stderr as NodeJS.ReadableStream, 'data') // "listening on"
      await untilThere(namespace, host)
      assert.deepEqual(JSON.parse(await echoed(namespace, host)), expected)
    } finally {
      await stop(tcpdump)
    }
    return file
  }

  for (const tap of ['tap', 'plain-tap']) {
    it(`frames on a ${tap} are ${tap === 'tap' ? 'large both ways' : 'ordinary ones'}`, {
      timeout: 60_000,
    }, async () => {
      await withEcho(tap, async (namespace) => {
        namespace.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap0')
        namespace.ip('-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'tap0', 'nodad')
        for (const host of HOSTS) {
          const longest = longestFrames(readFileSync(await captured(namespace, 'tap0', host)), 7)
          assert.equal(longest.toPort > ORDINARY_LEN, tap === 'tap', `${longest.toPort} octets to us`)
          assert.equal(longest.fromPort > ORDINARY_LEN, tap === 'tap', `${longest.fromPort} octets from us`)
        }
      })
    })
  }

  it('across a wire of ordinary frames, every checksum is right', { timeout: 60_000 }, async () => {
    await withEcho('tap', async (namespace) => {
      const far = new Namespace()
      try {
        await far.run('sysctl', '-q', '-w', 'net.ipv6.conf.default.accept_dad=0')
        namespace.ip('link', 'add', 'bridge0', 'type', 'bridge')
        namespace.ip('link', 'add', 'wire0', 'type', 'veth', 'peer', 'name', 'wire1', 'netns', far.name)
        for (const [side, device] of [
          [namespace, 'wire0'],
          [far, 'wire1'],
        ] as const) {
          await side.run('ethtool', '-K', device, 'tx', 'off', 'rx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off')
        }
        for (const device of ['tap0', 'wire0']) namespace.ip('link', 'set', device, 'master', 'bridge0', 'up')
        namespace.ip('link', 'set', 'bridge0', 'up')
        far.ip('addr', 'add', '10.0.0.1/24', 'dev', 'wire1')
        far.ip('-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'wire1', 'nodad')
        far.ip('link', 'set', 'wire1', 'up')
        for (const host of HOSTS) {
          const file = await captured(far, 'wire1', host)
          const longest = longestFrames(readFileSync(file), 7)
          assert.ok(longest.fromPort <= ORDINARY_LEN && longest.toPort <= ORDINARY_LEN)
          const said = await far.run('tcpdump', '-nn', '-vv', '-r', file, 'src', 'port', '7')
          const right = said.match(/cksum 0x[0-9a-f]{4} \(correct\)/g)?.length ?? 0
          assert.ok(right > LEN_BYTES / 1500, `${right} right checksums`)
          assert.doesNotMatch(said, /incorrect|bad cksum|wrong/)
        }
      } finally {
        far.remove()
      }
    })
  })

  // Buffers of 4 MiB each way for each connection, were there memory for them.
  it('in 8 MiB, three streams at once', { timeout: 60_000 }, async () => {
    const body = async (namespace: Namespace): Promise<void> => {
      namespace.ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap0')
      await untilThere(namespace, HOSTS[0])
      const said = await Promise.all([1, 2, 3].map(() => echoed(namespace, HOSTS[0])))
      for (const one of said) assert.deepEqual(JSON.parse(one), expected)
    }
    await withEcho('tap', body, 8)
  })
})

function inNamespace(namespace: Namespace, ...command: string[]): ChildProcess {
  return namespace.start([...command], { stdio: ['ignore', 'inherit', 'pipe'] })
}

/** Returns what the peer says of the stream that came back. */
function echoed(namespace: Namespace, host: string): Promise<string> {
  return namespace.run('timeout', '20', process.execPath, PEER, 'client', host, '7', String(LEN_BYTES))
}

/** Pings until there is an answer. */
async function untilThere(namespace: Namespace, host: string): Promise<void> {
  await namespace.run('ping', '-c', '1', '-w', '20', '-i', '0.1', host)
}
