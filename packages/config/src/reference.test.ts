import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { writeReference } from './reference.ts'

function source(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

const LANGUAGE = [
  ...['device', 'DeviceSpec', 'main', 'register', 'match', 'when', 'target', 'kindOf'],
  ...['configureKey', 'ChoiceSpec', 'ConstantSpec', 'configureFlag', 'bootKey', 'BootKeySpec'],
  ...['Device', 'Kinds', 'Takes', 'Attachment', 'Value', 'FolderContents', 'AttachmentIndex'],
]

test('reference: docs/config-reference.md is what the doc comments say', () => {
  const text = writeReference([
    { title: 'The language', module: '@mirage-ts/config', text: source('config.ts'), names: LANGUAGE },
    { title: 'Types of keys', module: '@mirage-ts/config', text: source('key-types.ts') },
    ...[
      ['What every machine has', 'default-devices.ts'],
      ['Stacks', 'stack-devices.ts'],
      ['Names, connections, HTTP', 'service-devices.ts'],
      ['Local networks', 'lan-devices.ts'],
      ['Networks', 'network-devices.ts'],
      ['Layers of a stack', 'ip-devices.ts'],
      ['Disks and stores', 'storage-devices.ts'],
    ].map(([title = '', file = '']) => ({ title, module: '@mirage-ts/config/devices', text: source(file) })),
  ])
  const file = new URL('../../../docs/config-reference.md', import.meta.url)
  if (process.env['UPDATE_GOLDENS'] !== undefined) writeFileSync(file, text)
  assert.equal(
    readFileSync(file, 'utf8'),
    text,
    'UPDATE_GOLDENS=1 node --import tsx --test packages/config/src/reference.test.ts',
  )
})

test('reference: overloads are told together, without the implementation', () => {
  const text = `/** Adds. See {@link b}. */
export function a(x: string): string
export function a(x: number): number
export function a(x: unknown): unknown {
  return x
}

/** A constant. */
export const b: Map<string, number> = new Map()
`
  const told = writeReference([{ title: 'T', module: 'm', text }])
  assert.match(
    told,
    /### a\n\n```ts\nfunction a\(x: string\): string\nfunction a\(x: number\): number\n```\n\nAdds\. See `b`\.\n/,
  )
  assert.match(told, /```ts\nconst b: Map<string, number>\n```/)
  assert.throws(() => writeReference([{ title: 'T', module: 'm', text, names: ['c'] }]), /has no documented export/)
})
