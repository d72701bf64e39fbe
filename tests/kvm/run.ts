/**
 * Runs tests that start QEMU with KVM instead of its emulation: the native layer's images and some of the suites, unchanged.
 *
 *   npm run test:kvm [-- --only NAME]     NAME: a part of a native test's name; then no suites
 *
 * Needs Debian's apt-get and dpkg-deb, which bring a kernel the first time, and qemu-system-x86 with emulation of AMD's SVM.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../lib/mirage.ts'
import { KvmHost } from './host.ts'

/** Suites whose machines need nothing of this computer but files. */
const SUITES = ['tests/discovery.test.ts', 'tests/pci.test.ts', 'tests/entropy-device.test.ts']

/**
 * Floods of the console take minutes, as each octet is an exit of a guest whose host is emulated; and the processor time of a
 * machine is not that of the process that stands for it.
 */
const EXCEPT = 'console: |idle uses'

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const only = values.only

const folder = mkdtempSync(join(tmpdir(), 'mirage-kvm-'))
const socket = join(folder, 'socket')
console.log('Starting a Linux with KVM')
const host = await KvmHost.start()
const server = createServer(serve)
let failed = false
try {
  await once(server.listen(socket), 'listening')
  const env = { ...process.env, MIRAGE_KVM: socket, PATH: `${join(ROOT, 'tests/kvm/bin')}:${process.env['PATH']}` }
  const node = async (...words: readonly string[]) => {
    const child = spawn(process.execPath, words, { cwd: ROOT, env, stdio: 'inherit' })
    const [status] = (await once(child, 'close')) as [number | null]
    failed ||= status !== 0
  }
  await node('native/tests/run.mjs', '--only', only ?? 'virtio: ', '--except', EXCEPT)
  if (only === undefined) {
    const suite = ['--import', 'tsx', '--test', '--test-concurrency=1']
    await node(...suite, ...SUITES)
    // UEFI makes the emulation of QEMU 7.2, in which all this runs, fail an assertion of its own.
    await node(...suite, '--test-name-pattern=by BIOS', 'tests/disk.test.ts')
  }
} finally {
  server.close()
  await host.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0

/**
 * One machine for each connection. Its first line says which; a second one, that it gets the signal TERM. When the connection
 * ends, so does the machine.
 */
function serve(client: Socket): void {
  const abort = new AbortController()
  client.on('error', () => {}).on('close', () => abort.abort('KILL'))
  const say = (message: object) => client.write(`${JSON.stringify(message)}\n`)
  let pending = ''
  client.setEncoding('utf8').on('data', async (text: string) => {
    const lines = (pending + text).split('\n')
    pending = lines.pop() ?? ''
    for (const line of lines) {
      if (line === 'TERM') {
        abort.abort(line)
        continue
      }
      const { folder, words } = JSON.parse(line) as { folder: string; words: readonly string[] }
      const command = `cd ${quote(folder)} && exec qemu-system-x86_64 ${words.map(quote).join(' ')}`
      const status = await host.run(command, (octets) => say({ output: octets.toString('base64') }), abort.signal)
      say({ status })
      client.end()
    }
  })
}

/** A word for the shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
