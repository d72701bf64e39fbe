import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Boot, boot, RESTART } from './boot.ts'
import { int, string } from './boot-args.ts'

const KEYS = { count: { type: int, default: '1', doc: 'how many' }, name: { type: string, doc: 'of what' } } as const
type Values = { readonly count: number; readonly name: string | undefined }

async function run(argv: readonly string[] | string, main: (boot: Boot<Values>) => Promise<void>) {
  let text = ''
  let status: number | undefined
  const platform = {
    argv: () => argv,
    write: (more: string) => {
      text += more
    },
    exit: (code: number) => {
      assert.equal(status, undefined, 'exits once')
      status = code
    },
  }
  await boot(platform, { name: 'test', keys: KEYS }, main)
  return { text, status }
}

test('boot: devices start in order, jobs after them and together, and the end is status 0', async () => {
  const events: string[] = []
  const ended = await run(['--count=3', '--name', 'x'], async (boot) => {
    events.push(`args ${boot.args.count} ${boot.args.name}`)
    const a = await boot.device('console', 'config.ts:1', () => 'a')
    boot.job('first', 'config.ts:3', async () => {
      events.push('first starts')
      await Promise.resolve()
      events.push('first ends')
    })
    const b = await boot.device('time', 'config.ts:2', async () => `${a}b`)
    boot.job('second', 'config.ts:3', () => {
      events.push(`second with ${b}`)
    })
  })
  assert.deepEqual(events, ['args 3 x', 'first starts', 'second with ab', 'first ends'])
  assert.deepEqual(ended, { text: '', status: 0 })
})

test('boot: a device that does not start is named with its line of config.ts and the causes', async () => {
  const ended = await run([], async (boot) => {
    await boot.device("network 'service'", 'config.ts:12', () => {
      throw new Error('Cannot open tap0', { cause: new Error('no permission') })
    })
  })
  assert.deepEqual(ended, {
    text: "test: config.ts:12: network 'service' did not start: Cannot open tap0: no permission\n",
    status: 1,
  })
})

test('boot: a job that rejects is shown with its stack and its cause, status 1', async () => {
  const { text, status } = await run([], async (boot) => {
    boot.job('work', 'config.ts:1', () => Promise.reject(new TypeError('out of paper', { cause: 'a long poem' })))
  })
  assert.equal(status, 1)
  assert.match(
    text,
    /^test: config\.ts:1: job work failed: TypeError: out of paper\n {4}at .*\ncaused by a long poem\n$/s,
  )
})

test('boot: a job that ends with RESTART ends the machine with 75, whatever the others do', async () => {
  const ended = await run([], async (boot) => {
    boot.job('server', 'config.ts:1', () => new Promise<void>(() => {}))
    boot.job('update', 'config.ts:2', async () => RESTART)
  })
  assert.deepEqual(ended, { text: 'test: restarting\n', status: 75 })
  const single = await run([], async (boot) => boot.job('update', 'config.ts:1', () => RESTART))
  assert.equal(single.status, 75)
})

test('boot: --help prints the keys and ends with 63, before any device', async () => {
  const { text, status } = await run(['--help'], () => assert.fail('started'))
  assert.equal(status, 63)
  assert.match(text, /^Boot arguments of test\n\nOPTIONS\n {2}--count=N +how many \(default 1\)\n/)
})

test('boot: a bad argument is one sentence and ends with 64', async () => {
  const never = () => assert.fail('started')
  assert.deepEqual(await run(['--cuont=1'], never), {
    text: 'test: Unknown option --cuont; did you mean --count?\n',
    status: 64,
  })
  assert.deepEqual(await run(['stray'], never), {
    text: 'test: Unexpected argument stray; options begin with --\n',
    status: 64,
  })
})

test('boot: on a raw command line the words that hypervisors add are not ours', async () => {
  const line = 'reboot=k panic=1 --count=2 --name="a b" virtio_mmio.device=512@0xfeb00e00:12'
  const seen: Values[] = []
  const ended = await run(line, async (boot) => void seen.push(boot.args))
  assert.deepEqual(seen, [{ count: 2, name: 'a b' }])
  assert.equal(ended.status, 0)
})
