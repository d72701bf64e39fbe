/** The web's classes: ours on Node.js and ours on the engine of an image must do what Node.js's own do. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { deviceBattery } from './lib/device-battery.ts'
import { build, makeFolder, mirage, ROOT } from './lib/mirage.ts'
import { webBattery } from './lib/web-battery.ts'

const CONFIG = `import { main, register } from '@mirage-ts/config'
import { defaultClock, defaultLog, defaultRandom, defaultTime } from '@mirage-ts/config/devices'
const battery = main('./unikernel.ts', 'start', { takes: { log: 'log', time: 'time', clock: 'clock', random: 'random' } })
export default register('battery', [
  battery({ log: defaultLog, time: defaultTime, clock: defaultClock, random: defaultRandom }),
])
`

const UNIKERNEL = `import '@mirage-ts/web/globals'
import { type GlobalDevices, installDeviceGlobals } from '@mirage-ts/web/device-globals'
import { deviceBattery } from '../../tests/lib/device-battery.ts'
import { webBattery } from '../../tests/lib/web-battery.ts'
export async function start(devices: GlobalDevices): Promise<void> {
  installDeviceGlobals(devices)
  const logger = devices.log.logger('battery')
  for (const line of await webBattery()) logger.info(JSON.stringify(line))
  for (const line of await deviceBattery()) logger.info(JSON.stringify(line))
  console.log('by console', { a: [1] })
}
`

/** Ours in place of Node.js's: those are taken away first. */
const ON_NODE = `for (const name of ['AbortController', 'AbortSignal', 'Blob', 'DOMException', 'Event', 'EventTarget', 'File', 'FormData',
  'Headers', 'ReadableStream', 'Request', 'Response', 'TextDecoder', 'TextDecoderStream', 'TextEncoder', 'TextEncoderStream',
  'TransformStream', 'WritableStream', 'URL', 'URLSearchParams', 'atob', 'btoa', 'queueMicrotask', 'structuredClone']) delete globalThis[name]
await import('@mirage-ts/web/globals')
const { webBattery } = await import(process.argv[1])
for (const line of await webBattery()) process.stdout.write(JSON.stringify(line) + '\\n')
`

let folder = ''
before(() => {
  folder = makeFolder({ 'config.ts': CONFIG, 'unikernel.ts': UNIKERNEL })
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('web: our classes on Node.js do what its own do', async () => {
  const battery = join(ROOT, 'tests/lib/web-battery.ts')
  const args = ['--import', 'tsx', '--input-type=module', '-e', ON_NODE, battery]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT })
  assert.deepEqual(linesOf(stdout), await webBattery())
})

for (const target of ['virtio', 'spt']) {
  test(`web: our classes, and the functions that need devices, do on ${target} what those of Node.js do`, async () => {
    await build(folder, '-t', target)
    const { stdout, stderr } = await mirage(folder, 'run', '-t', target)
    const wanted = [...(await webBattery()), ...(await deviceBattery())]
    assert.deepEqual(linesOf(stdout.replace(/^.*?\[battery\] /gm, '')), wanted, stderr)
    assert.match(stdout, /INFO {2}\[app\] by console \{"a":\[1\]\}/)
  })
}

function linesOf(output: string): string[] {
  return output.split(/\r?\n/).flatMap((line) => (line.startsWith('"') ? [JSON.parse(line) as string] : []))
}
