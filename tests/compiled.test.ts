/**
 * Programs compiled to machine code do what interpreted ones do: the cases beside this file on Node.js, on the interpreter and
 * compiled, and the native layer's own test programs with and without.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { compiledRuntimeFor } from '@mirage-ts/cli/compiled-runtime'
import { assembleImage } from '@mirage-ts/cli/image'
import { createOutput } from '@mirage-ts/cli/output'
import { runtimeFor } from '@mirage-ts/cli/runtime'
import { ensureToolchain, findToolchain, type Toolchain } from '@mirage-ts/cli/toolchain'
// @ts-expect-error: a program of the engine, in JavaScript
import { cases } from './compiled/cases.js'
import { build, copyExample, ROOT, Running } from './lib/mirage.ts'

const OUTPUT = createOutput({ out: () => {}, error: () => {} }, { isQuiet: true, isVerbose: false })
const SUPPORT = readFileSync(join(ROOT, 'native/tests/support.js'), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'mirage-compiled-'))
let toolchain: Toolchain

before(async () => {
  toolchain = await ensureToolchain(await findToolchain(), OUTPUT)
})
after(() => rmSync(folder, { recursive: true }))

/** Runs a program as a sealed process. */
async function run(name: string, source: string, isCompiled: boolean, ...words: readonly string[]): Promise<string> {
  const input = join(folder, `${name}.js`)
  writeFileSync(input, source)
  execFileSync(toolchain.bytecode, [input, `${input}.bc`, '--name', 'main.js'])
  const bytecode = readFileSync(`${input}.bc`)
  const runtime = isCompiled
    ? await compiledRuntimeFor(toolchain, 'spt', bytecode, OUTPUT)
    : await runtimeFor(toolchain, 'spt', bytecode)
  const image = join(folder, `${name}.spt`)
  writeFileSync(image, assembleImage(readFileSync(runtime), { bytecode, assets: [] }))
  chmodSync(image, 0o755)
  const { stdout, stderr, status } = spawnSync(toolchain.spt, ['--mem', '24', image, ...words], { encoding: 'latin1' })
  return `${stdout}${stderr}status ${status}\n`
}

/** A program of the native layer's tests. */
function nativeTest(name: string): string {
  const main = readFileSync(join(ROOT, `native/tests/${name}/main.js`), 'utf8')
  return ALONE.has(name) ? main : SUPPORT + main
}

const ALONE = new Set(['exception', 'rejection', 'top-level', 'in-poll'])

describe('programs compiled to machine code', () => {
  it('do in every case what Node.js and the interpreter do', async () => {
    const text = readFileSync(join(ROOT, 'tests/compiled/cases.js'), 'utf8').replaceAll(/^export /gm, '')
    const source = `${SUPPORT}${text}${readFileSync(join(ROOT, 'tests/compiled/main.js'), 'utf8')}`
    const compiled = await run('cases', source, true)
    assert.equal(compiled, await run('cases', source, false))
    const expected = Object.entries(cases as Record<string, () => unknown>).map(
      ([name, run]) => `${name}: ${String(run())}\n`,
    )
    const withoutMessages = (lines: string) => lines.replaceAll(/«[^»]*»/g, '')
    assert.equal(withoutMessages(compiled), withoutMessages(`${expected.join('')}SUCCESS\nstatus 0\n`))
  })

  for (const name of ['semantics', 'language', 'octets', 'text', 'exception', 'rejection', 'top-level', 'in-poll']) {
    it(`say what interpreted ones say: ${name}`, async () => {
      assert.equal(await run(name, nativeTest(name), true), await run(name, nativeTest(name), false))
    })
  }

  it('end a recursion without end, and one that fills the memory, with an exception', async () => {
    assert.match(await run('recursion', nativeTest('recursion'), true), /RangeError: Maximum call stack.*SUCCESS/s)
    const out = await run('exhaustion', nativeTest('exhaustion'), true, 'buffers')
    assert.match(out, /out of memory: \d+ of \d+ KiB/)
  })

  it('are refused with the bytecode of another program', async () => {
    const one = join(folder, 'one.js')
    const other = join(folder, 'other.js')
    writeFileSync(one, 'const f = () => 1\nf()\n')
    writeFileSync(other, 'const f = () => 2\nf()\nf()\n')
    for (const file of [one, other]) execFileSync(toolchain.bytecode, [file, `${file}.bc`])
    const runtime = await compiledRuntimeFor(toolchain, 'spt', readFileSync(`${one}.bc`), OUTPUT)
    const image = join(folder, 'wrong.spt')
    writeFileSync(image, assembleImage(readFileSync(runtime), { bytecode: readFileSync(`${other}.bc`), assets: [] }))
    chmodSync(image, 0o755)
    const { stdout, stderr, status } = spawnSync(toolchain.spt, [image], { encoding: 'latin1' })
    assert.match(stdout + stderr, /the runtime was compiled for another program/)
    assert.equal(status, 126)
  })

  it('boot: hello on virtio, built with --native', async () => {
    const { folder, remove } = copyExample('tutorial/hello')
    try {
      await build(folder, '-t', 'virtio', '--native')
      const hello = await Running.start(folder, [], { ready: /hello\n.*world/s })
      await hello.stop()
    } finally {
      remove()
    }
  })

  it('are for targets without a host', async () => {
    const { folder, remove } = copyExample('tutorial/hello')
    try {
      await assert.rejects(
        build(folder, '-t', 'unix', '--native'),
        /--native is for virtio and spt, and this is a build for unix/,
      )
    } finally {
      remove()
    }
  })
})
