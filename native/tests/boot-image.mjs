// Makes test images and starts them, for run.mjs: in QEMU's emulation, and as sealed processes.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { appendPayload, buildImage, buildPayload } from './image.mjs'

/** This folder, which has one of its own for each image. */
export const here = dirname(fileURLToPath(import.meta.url))
/** The command line. Other words are an error that names them. */
export const options = parseArgs({
  options: {
    only: { type: 'string' },
    except: { type: 'string' },
    out: { type: 'string', default: join(here, '..', 'dist') },
    verbose: { type: 'boolean', default: false },
  },
}).values
/** Where the runtime and the host's tools are, and the images. */
export const out = options.out
export const images = join(out, 'tests')

/** Under KVM the machine that has it is emulated itself, octet by octet of a console. */
const TIME_LIMIT_MS = process.env.MIRAGE_KVM ? 600000 : 60000
const MICROVM = ['-M', 'microvm,acpi=off,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=on']
export const Q35 = ['-M', 'q35']
/** Machines of QEMU that start again in different ways. */
export const MACHINES = {
  microvm: MICROVM,
  'microvm with ACPI': ['-M', 'microvm,acpi=on,x-option-roms=off,isa-serial=on,rtc=on'],
  pc: ['-M', 'pc'],
  q35: Q35,
}

/** Starts an image; resolves with { status, bytes, output }, output with QEMU's own messages. */
function boot(image, options = {}) {
  return options.target === 'spt' ? bootSpt(image, options) : bootVirtio(image, options)
}

/** `devices` are options of mirage-spt. */
function bootSpt(image, { args = '', words = args.split(' '), mem = 16, devices = [], onLine }) {
  chmodSync(image, 0o755)
  const child = spawn(join(out, 'mirage-spt'), ['--mem', String(mem), ...devices, image, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return watch(child, { onLine, statusOf: (code, signal) => signal ?? code })
}

function bootVirtio(image, options) {
  const { args = '', mem = 16, machine = MICROVM, exitDevice = true, canReboot = false, qemu = [], onLine } = options
  const child = spawn(
    'qemu-system-x86_64',
    [
      '-accel',
      'tcg',
      '-cpu',
      'max',
      ...machine,
      '-m',
      String(mem),
      '-nodefaults',
      '-no-user-config',
      ...(canReboot ? [] : ['-no-reboot']),
      '-display',
      'none',
      '-serial',
      'stdio',
      '-monitor',
      'none',
      ...(exitDevice ? ['-device', 'isa-debug-exit,iobase=0x501,iosize=4'] : []),
      '-kernel',
      image,
      '-append',
      args,
      ...qemu,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  // isa-debug-exit: QEMU's status is (v << 1) | 1; an even one is no exit of ours.
  return watch(child, { onLine, statusOf: (code) => (code % 2 === 1 ? code >> 1 : `qemu ${code}`) })
}

function watch(child, { onLine, statusOf }) {
  const chunks = []
  let errors = ''
  let pendingLine = ''
  child.stdout.on('data', (chunk) => {
    chunks.push(chunk)
    pendingLine += chunk.toString('latin1')
    const lines = pendingLine.split('\n')
    pendingLine = lines.pop()
    for (const line of lines) onLine?.(line, child.pid)
  })
  child.stderr.on('data', (chunk) => (errors += chunk))
  return new Promise((resolve) => {
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, TIME_LIMIT_MS)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const bytes = Buffer.concat(chunks)
      const status = timedOut ? 'timeout' : statusOf(code, signal)
      resolve({ status, bytes, output: bytes.toString('latin1') + errors })
    })
  })
}

/** Images whose main.js stands alone; the others get support.js in front. */
const ALONE = ['hello', 'exception', 'rejection', 'top-level', 'in-poll']

export function bytecode(name) {
  const bundle = join(images, `${name}.js`)
  const result = join(images, `${name}.bin`)
  const support = ALONE.includes(name) ? '' : readFileSync(join(here, 'support.js'), 'utf8')
  writeFileSync(bundle, support + readFileSync(join(here, name, 'main.js'), 'utf8'))
  execFileSync(join(out, 'mirage-bytecode'), [bundle, result, '--name', 'main.js'])
  return readFileSync(result)
}

export const runtime = (target, features = '') => readFileSync(join(out, `runtime-${target}${features}.elf`))

function imageOf(name, { target, assets, features }) {
  const path = join(images, target, `${name}.elf`)
  if (existsSync(join(here, name, 'main.js')))
    writeFileSync(path, buildImage(runtime(target, features), bytecode(name), assets))
  return path
}

export function expect(condition, text) {
  if (!condition) throw new Error(text)
}

/** A test that boots one image and looks at its status and output. */
export const imageOn =
  (target) =>
  (name, status, pattern, given = {}) =>
  async () => {
    const options = { target, ...given }
    const result = await boot(options.path ?? imageOf(name, options), options)
    expect(result.status === status, `status ${result.status}, expected ${status}\n${result.output}`)
    for (const p of [pattern].flat())
      expect(p === undefined || p.test(result.output), `output lacks ${p}\n${result.output}`)
    return result
  }

/** A test with hello's payload changed by `damage`; it must be refused. */
export const refusedOn = (target) => (why, damage) => async () => {
  const payload = buildPayload([
    { kind: 1, bytes: bytecode('hello') },
    { kind: 2, bytes: Buffer.from('asset') },
  ])
  const path = join(images, target, 'refused.elf')
  writeFileSync(path, appendPayload(runtime(target), damage(payload) ?? payload))
  await imageOn(target)('refused', 126, why, { path })()
}

export const faultOn = (target) => (args, pattern) => imageOn(target)('fault', 126, pattern, { args })
