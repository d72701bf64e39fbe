import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildSync } from 'esbuild'
import { stackMapper } from './stack-lines.ts'

const SOURCE = `// A comment, so that lines differ.

export function start(): never {
  throw new Error('boom')
}
`

function bundled(): { readonly map: string; readonly row: number } {
  const result = buildSync({
    stdin: { contents: SOURCE, sourcefile: 'unikernel.ts', loader: 'ts' },
    outfile: 'hello.virtio',
    bundle: true,
    write: false,
    format: 'esm',
    sourcemap: 'external',
  })
  const [map, code] = ['.map', '.virtio'].map((end) => result.outputFiles.find((file) => file.path.endsWith(end))?.text)
  const row = (code ?? '').split('\n').findIndex((line) => line.includes('new Error')) + 1
  return { map: map ?? '', row }
}

test('stack lines: a line of the bundle becomes a line of the source, other output passes', () => {
  const { map, row } = bundled()
  const show = stackMapper(map, 'hello.virtio')
  assert.equal(show('hello\r\n'), 'hello\r\n')
  assert.equal(show(`    at start (hello.mjs:${row}:9)\r\n`), '    at start (unikernel.ts:4:9)\r\n')
  assert.equal(show(`INFO [a]     at start (hello.mjs:${row}:9)\n`), 'INFO [a]     at start (unikernel.ts:4:9)\n')
  assert.equal(show(`    at hello.mjs:${row}:9\n`), '    at unikernel.ts:4:9\n')
  assert.equal(show('    at far (hello.mjs:999:1)\n').startsWith('    at far ('), true)
})

test('stack lines: a fault names the function it was in', () => {
  const { map } = bundled()
  const show = stackMapper(map, 'hello.virtio', (address) => (address === 0x12d3f0 ? 'divide+0x10' : undefined))
  assert.equal(
    show(' rip 000000000012d3f0 in text (read, execute)\r\n'),
    ' rip 000000000012d3f0 in text (read, execute): divide+0x10\r\n',
  )
  assert.equal(show(' rip 0000000000000001 in text (read)\n'), ' rip 0000000000000001 in text (read)\n')
  assert.deepEqual(
    [show(' rip 0000000000'), show('12d3f0 in text\n')],
    ['', ' rip 000000000012d3f0 in text: divide+0x10\n'],
  )
})

test('stack lines: output is held back only while it may become a line of a stack', () => {
  const { map, row } = bundled()
  const show = stackMapper(map, 'hello.virtio')
  assert.equal(show('login: '), 'login: ')
  assert.equal(show('\n    at sta'), '\n')
  assert.equal(show(`rt (hello.mjs:${row}:9`), '')
  assert.equal(show(')\nnext'), '    at start (unikernel.ts:4:9)\nnext')
})
