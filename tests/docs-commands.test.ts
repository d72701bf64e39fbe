/**
 * Every command of the documents is run as it is written there: in a copy of the example that it is about, in a network
 * namespace with a tap. A unikernel that serves is left running until the next command of `mirage`.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeApp } from '../packages/cli/src/testing/app.ts'
import { copyExample, ROOT } from './lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from './lib/namespace.ts'

const MIRAGE = join(ROOT, 'packages/cli/bin/mirage.mjs')
const LIMIT_MS = 180_000

/** What a unikernel that will not end by itself says when it is at work. */
const SERVES = /listening|serving|INFO .*hello/i

/** Commands that need something that is not here, and who runs the like. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'dig @10.0.0.2 mirage.io': 'the Internet; tests/dns-resolver.test.ts has a root of its own',
  'mirage symbolize dist/hello.virtio console.log': 'a log of a machine; tests/symbolize.test.ts',
  'journalctl -u hello | mirage symbolize dist/hello.virtio': 'a service of the host; tests/symbolize.test.ts',
}

/** Documents that are not about an example of their name. */
const ABOUT: Readonly<Record<string, string>> = {
  'README.md': 'tutorial/hello',
  'docs/mirage-tool.md': 'applications/static-website',
}

/** The lines of all blocks, of a shell or of nothing said, in which `mirage` is called. */
function commandsOf(text: string): readonly string[] {
  const blocks: { readonly isShell: boolean; readonly lines: string[] }[] = []
  let open: (typeof blocks)[number] | undefined
  for (const line of text.split('\n')) {
    const [, language] = /^```(\w*)$/.exec(line) ?? []
    if (language === undefined) open?.lines.push(line)
    else if (open !== undefined) open = undefined
    else {
      open = { isShell: language === '' || language === 'sh', lines: [] }
      blocks.push(open)
    }
  }
  return blocks
    .filter(({ isShell, lines }) => isShell && lines.some((line) => /^(sudo )?(npx )?mirage /.test(line)))
    .flatMap(({ lines }) => lines.join('\n').replaceAll('\\\n', ' ').split('\n'))
    .filter((line) => line.trim() !== '')
}

/** The application that a document tells of: that of its blocks of code, or an example. */
function makeFolder(t: TestContext, document: string, text: string): string {
  const path = ABOUT[document] ?? /^examples\/(.*)\/README\.md$/.exec(document)?.[1]
  if (path !== undefined) {
    const { folder, remove } = copyExample(path)
    t.after(remove)
    return folder
  }
  const files = [...text.matchAll(/```ts\n\/\/ (\S+\.ts)\n(.*?)```/gs)].map(([, file, code]) => [file, code])
  return makeApp(t, Object.fromEntries(files))
}

/** A shell in which `mirage` is ours, with or without npx. */
function makeShell(t: TestContext, folder: string, namespace: Namespace) {
  const bin = mkdtempSync(join(tmpdir(), 'mirage-bin-'))
  t.after(() => rmSync(bin, { recursive: true }))
  const programs = {
    mirage: `exec '${process.execPath}' '${MIRAGE}' "$@"`,
    npx: 'exec "$@"',
    sudo: 'exec "$@"',
  }
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return (line: string): ChildProcess =>
    namespace.start(['bash', '-c', line], {
      cwd: folder,
      env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, to be ended as a whole.
      detached: true,
    })
}

/** A command that runs, and what it has said. */
class Running {
  output = ''
  readonly line: string
  readonly ended: Promise<number | null>
  private readonly child: ChildProcess

  constructor(line: string, child: ChildProcess) {
    this.line = line
    this.child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
    }
    this.ended = once(child, 'close').then(([status]) => status as number | null)
  }

  /** Waits until it serves, or has ended, which must be well. */
  async settle(): Promise<void> {
    const start = Date.now()
    for (;;) {
      const pause = new Promise<'running'>((done) => setTimeout(() => done('running'), 20))
      const status = await Promise.race([this.ended, pause])
      if (status !== 'running') return assert.equal(status, 0, `${this.line}\n${this.output}`)
      if (/\bmirage (run|dev)\b/.test(this.line) && SERVES.test(this.output)) return
      assert.ok(Date.now() - start < LIMIT_MS, `${this.line} does not end:\n${this.output}`)
    }
  }

  async stop(): Promise<void> {
    const { pid, exitCode } = this.child
    if (pid !== undefined && exitCode === null && this.child.signalCode === null) process.kill(-pid, 'SIGTERM')
    await this.ended
  }
}

const EXAMPLES = readdirSync(join(ROOT, 'examples')).flatMap((group) =>
  readdirSync(join(ROOT, 'examples', group)).map((name) => `examples/${group}/${name}`),
)
const GUIDES = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))
const DOCUMENTS = [
  'README.md',
  ...GUIDES.map((name) => `docs/${name}`),
  ...EXAMPLES.map((example) => `${example}/README.md`),
].filter((document) => existsSync(join(ROOT, document)))

for (const document of DOCUMENTS.sort()) {
  const text = readFileSync(join(ROOT, document), 'utf8')
  const commands = commandsOf(text)
  if (commands.length === 0) continue
  test(`commands of ${document}`, { skip: NO_NAMESPACES }, async (t) => {
    const namespace = new Namespace()
    t.after(() => namespace.remove())
    namespace.addTap('tap0', '10.0.0.1/24')
    const shell = makeShell(t, makeFolder(t, document, text), namespace)
    let server: Running | undefined
    t.after(() => server?.stop())
    for (const line of commands) {
      if (Object.hasOwn(ELSEWHERE, line)) continue
      if (/\bmirage\b/.test(line)) await server?.stop()
      const command = new Running(line, shell(line))
      if (/\bmirage (run|dev)\b/.test(line)) server = command
      await command.settle()
    }
    await server?.stop()
  })
}

test('commands: every example has some', () => {
  for (const example of EXAMPLES.filter((name) => existsSync(join(ROOT, name, 'config.ts')))) {
    const readme = join(ROOT, example, 'README.md')
    assert.ok(existsSync(readme) && commandsOf(readFileSync(readme, 'utf8')).length > 0, `${readme} says how to run it`)
  }
})
