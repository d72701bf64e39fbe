/**
 * What `npm run demo` shows: the website example becomes an operating system image, boots in QEMU, and serves its pages.
 *
 * Every octet that comes back is compared with the file on disk. The times are of emulation on this machine: the empty
 * kernel, which prints one octet, is there to compare them with.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { Machine, medianFirstByteMs } from '../bench/lib/machine.ts'

const WEBSITE = 'examples/applications/static-website'
const SITE = join(WEBSITE, 'site')
const IMAGE = join(WEBSITE, 'dist/static-website.virtio')
const HELLO = 'examples/tutorial/hello'
const HELLO_IMAGE = join(HELLO, 'dist/hello.virtio')
const EMPTY_IMAGE = 'native/dist/empty.elf'
const MEMORY_MIB = 16
const BOOTS = 7
const FIRST_ANSWER_LIMIT_MS = 60_000

step('Build the website and hello for virtio')
await mirage(WEBSITE, 'build', '-t', 'virtio')
await mirage(HELLO, 'build', '-t', 'virtio')
await run('make', '-s', '-C', 'native', 'empty', 'OUT=dist')
const warmStart = performance.now()
await mirage(WEBSITE, 'build', '-t', 'virtio', '-q')
const warmBuildMs = performance.now() - warmStart

step(`Boot the website in QEMU with ${MEMORY_MIB} MiB of memory`)
const hostPort = await freePort()
const machine = new Machine(IMAGE, {
  memMib: MEMORY_MIB,
  append: '--ipv4=10.0.2.15/24 --ipv4-gateway=10.0.2.2 --logs=*:info',
  hostPort,
})
process.on('exit', () => machine.process.kill())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
const firstAnswerMs = await firstAnswer()
for (const line of machine.output.trimEnd().split('\n')) console.log(`  guest: ${line}`)

step('Fetch every file and compare')
const files = readdirSync(SITE, { recursive: true, encoding: 'utf8' }).filter((file) =>
  statSync(join(SITE, file)).isFile(),
)
let servedBytes = 0
for (const file of files.sort()) {
  const { status, body } = await fetchFrom(`/${relative(SITE, join(SITE, file))}`)
  const same = status === 200 && body.equals(readFileSync(join(SITE, file)))
  console.log(`  ${same ? 'same' : 'DIFFERENT'}  ${String(body.length).padStart(8)} octets  /${file}`)
  if (!same) throw new Error(`The unikernel answered /${file} with status ${status} and other octets than the file has`)
  servedBytes += body.length
}
await machine.stop()

step(`Measure ${BOOTS} boots each of hello and of an empty kernel`)
const emptyMs = await medianFirstByteMs(EMPTY_IMAGE, { memMib: 4 }, BOOTS)
const helloMs = await medianFirstByteMs(HELLO_IMAGE, { memMib: 4 }, BOOTS)

console.log(`
  website image            ${kilobytes(IMAGE)}, of which ${Math.round(servedBytes / 1000)} kB are its files
  build again              ${(warmBuildMs / 1000).toFixed(2)} s
  memory given             ${MEMORY_MIB} MiB
  QEMU to first line       ${machine.firstByteMs?.toFixed(0)} ms
  QEMU to first response   ${firstAnswerMs.toFixed(0)} ms
  pages served             ${files.length}, ${servedBytes} octets, all identical

  hello image              ${kilobytes(HELLO_IMAGE)}, boots with 4 MiB
  QEMU to first line       ${helloMs.toFixed(0)} ms; an empty kernel ${emptyMs.toFixed(0)} ms (medians of ${BOOTS}, emulated)
`)
process.exit(0)

function step(text: string): void {
  console.log(`\n* ${text}`)
}

function kilobytes(file: string): string {
  return `${Math.round(statSync(file).size / 1000)} kB`
}

async function mirage(folder: string, ...args: readonly string[]): Promise<void> {
  await run(process.execPath, 'packages/cli/bin/mirage.mjs', ...args, '-f', join(folder, 'config.ts'))
}

async function run(file: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(file, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, MAKEFLAGS: `-j${availableParallelism()}` },
  })
  const [status] = (await once(child, 'exit')) as [number | null]
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed with status ${status}`)
}

/** Asks for the front page until the unikernel is up; returns the milliseconds since QEMU was executed. */
async function firstAnswer(): Promise<number> {
  while (machine.elapsedMs() < FIRST_ANSWER_LIMIT_MS) {
    const status = await fetchFrom('/').then(
      (answer) => answer.status,
      () => 0, // not up yet: QEMU resets the connection
    )
    if (status === 200) return machine.elapsedMs()
    if (machine.process.exitCode !== null) throw new Error(`The guest ended early:\n${machine.output}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new Error(`The guest did not answer in ${FIRST_ANSWER_LIMIT_MS / 1000} s:\n${machine.output}`)
}

function fetchFrom(path: string): Promise<{ readonly status: number; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port: hostPort, path, timeout: 20_000 }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`No answer for ${path} in 20 s`)))
    request.on('error', reject)
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('Cannot find a free port')
  return address.port
}
