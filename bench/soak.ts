/**
 * A million requests: shows that a machine which answers for long needs no more memory at the end than at the start.
 *
 *   node --import tsx bench/soak.ts [--requests 1000000] [--connections 32] [--mem 32]
 *
 * The static website as a sealed process on a tap, in a namespace of its own; wrk asks, over connections that stay and, every
 * other round, over a new connection for each request. Prints the heap in use after each round. The heap goes up and down with
 * garbage not yet collected, so what is compared is the lowest it came to: in the last third of the rounds it must not
 * be above that of the first third by more than a twentieth, the first rounds left out: until as many connections have ended as
 * may be in TIME-WAIT. Status 1 when it is. Needs root, wrk, and about ten minutes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, copyExample, ROOT, Running } from '../tests/lib/mirage.ts'
import { Namespace, NO_NAMESPACES } from '../tests/lib/namespace.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '32' },
    mem: { type: 'string', default: '32' },
  },
})
const wantedCount = Number(values.requests)
const GROWTH = 1.05
const ROUND_SECONDS = 5
const WARM_UP_ROUNDS = 6

/** The example's own start, and a report of the heap five times a second. */
const UNIKERNEL = `/// <reference path="${join(ROOT, 'packages/metal/src/native.d.ts')}" />
import { memory } from 'mirage:native'
import type { HttpServerDeps } from '@mirage-ts/apps/http/server'
import { serveStatic } from '@mirage-ts/apps/http/static-site'
import { ms } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { KvRo } from '@mirage-ts/signatures/kv'

export async function start(deps: HttpServerDeps & { site: KvRo }, { port }: { port: Port }): Promise<void> {
  await serveStatic(deps, { port })
  const logger = deps.log.logger('memory')
  logger.info('ready')
  while (true) {
    await deps.time.sleep(ms(200))
    const { usedBytes, heapBytes } = memory()
    logger.info(usedBytes + ' ' + heapBytes)
  }
}
`

interface Round {
  readonly requestCount: number
  /** The lowest of it. */
  readonly heapBytes: number
}

if (NO_NAMESPACES !== false) throw new Error(NO_NAMESPACES)
const { folder, remove } = copyExample('applications/static-website')
const namespace = new Namespace()
let machine: Running | undefined
try {
  writeFileSync(join(folder, 'unikernel.ts'), UNIKERNEL)
  namespace.addTap('tap0', '10.0.0.1/24')
  await build(folder, '-t', 'spt')
  const args = ['--mem', values.mem, '--net', 'tap:tap0', '--', '--ipv4=10.0.0.2/24', '--logs=*:warn,memory:info']
  machine = await Running.start(folder, args, { ready: /ready/, namespace: namespace.name })
  report(await rounds(machine))
} catch (error) {
  // What the machine said last tells more than that it does not answer.
  console.error(machine?.output.split('\n').slice(-12).join('\n'))
  throw error
} finally {
  await machine?.stop()
  namespace.remove()
  remove()
}

async function rounds(running: Running): Promise<readonly Round[]> {
  const done: Round[] = []
  let total = 0
  for (let i = 0; total < wantedCount; i++) {
    const from = running.output.length
    const isNewEach = i % 2 === 1
    const output = await namespace.run(
      'wrk',
      ...['-t1', `-c${values.connections}`, `-d${ROUND_SECONDS}s`],
      ...(isNewEach ? ['-H', 'Connection: close'] : []),
      'http://10.0.0.2/style.css',
    )
    const count = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0)
    if (count === 0 || /Non-2xx/.test(output)) throw new Error(`The website does not answer as it should:\n${output}`)
    const used = [...running.output.slice(from).matchAll(/\[memory\] (\d+) /g)].map((match) => Number(match[1]))
    const heapBytes = Math.min(...used)
    total += count
    done.push({ requestCount: count, heapBytes })
    const kind = isNewEach ? 'a connection each' : 'connections that stay'
    console.log(`${total} requests (${count} over ${kind}): heap ${heapBytes} to ${Math.max(...used)} octets`)
  }
  return done
}

function report(all: readonly Round[]): void {
  const done = all.slice(WARM_UP_ROUNDS)
  if (done.length < 3) throw new Error(`These are too few requests to tell: ${all.length} rounds`)
  const third = Math.max(1, Math.floor(done.length / 3))
  const lowest = (some: readonly Round[]): number => Math.min(...some.map(({ heapBytes }) => heapBytes))
  const first = lowest(done.slice(0, third))
  const last = lowest(done.slice(-third))
  const total = all.reduce((sum, { requestCount }) => sum + requestCount, 0)
  const growth = `${((last / first - 1) * 100).toFixed(1)} %`
  console.log(`${total} requests: the heap came down to ${first} octets at first, ${last} at last (${growth})`)
  if (last > first * GROWTH) {
    console.log('It grew: something is kept for each request.')
    process.exitCode = 1
  }
}
