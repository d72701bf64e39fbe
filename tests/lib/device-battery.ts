/**
 * The functions of the web that need a device: timers, `performance`, `crypto`, `console`, with whatever is global. Each line says
 * what came of one thing, as in `web-battery.ts`; no line depends on how fast the machine is.
 */
/// <reference lib="webworker" />

type Check = readonly [name: string, run: () => unknown]

const sleep = (milliseconds: number) => new Promise<void>((done) => void setTimeout(done, milliseconds))

function thrown(run: () => unknown): string {
  try {
    return `no error: ${String(run())}`
  } catch (error) {
    return (error as Error).name
  }
}

const CHECKS: readonly Check[] = [
  [
    'timers ring by their time, those of one time in their order',
    async () => {
      const order: string[] = []
      setTimeout((...args: unknown[]) => order.push(`late ${args.join()}`), 30, 1, 2)
      setTimeout(() => order.push('first'), 5)
      setTimeout(() => order.push('second'), 5)
      queueMicrotask(() => order.push('microtask'))
      await sleep(60)
      return order.join('; ')
    },
  ],
  [
    'a cleared timer does not ring, and clearing what is none does nothing',
    async () => {
      let count = 0
      const timer = setTimeout(() => count++, 5)
      clearTimeout(timer)
      clearTimeout(timer)
      clearTimeout(undefined)
      await sleep(20)
      return count
    },
  ],
  [
    'an interval rings until it clears itself',
    () =>
      new Promise((done) => {
        let count = 0
        const timer = setInterval(() => {
          count++
          if (count < 3) return
          clearInterval(timer)
          setTimeout(() => done(count), 20)
        }, 2)
      }),
  ],
  ['a timer without a time rings', () => new Promise((done) => void setTimeout(() => done('rang')))],
  [
    'performance.now counts milliseconds and never goes back',
    async () => {
      const from = performance.now()
      await sleep(20)
      const to = performance.now()
      return [typeof from, to - from >= 19, to - from < 5000, performance.now() >= to].join()
    },
  ],
  [
    'performance.timeOrigin and Date agree',
    () => Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000,
  ],
  [
    'crypto.getRandomValues fills every kind of integer, in place',
    () => {
      const words = new Uint32Array(64)
      const same = crypto.getRandomValues(words) === words
      const part = new Uint8Array(32)
      crypto.getRandomValues(part.subarray(8, 24))
      const isOutsideKept = [...part.subarray(0, 8), ...part.subarray(24)].every((octet) => octet === 0)
      return [same, new Set(words).size > 60, isOutsideKept, part.some((octet) => octet !== 0)].join()
    },
  ],
  ['crypto.getRandomValues has a limit', () => thrown(() => crypto.getRandomValues(new Uint8Array(65_537)))],
  [
    'crypto.randomUUID has its form',
    () => {
      const uuids = Array.from({ length: 20 }, () => crypto.randomUUID())
      const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
      return [uuids.every((uuid) => form.test(uuid)), new Set(uuids).size].join()
    },
  ],
  [
    'AbortSignal.timeout aborts with its own error',
    async () => {
      const signal = AbortSignal.timeout(5)
      const before = signal.aborted
      await sleep(40)
      return [before, signal.aborted, (signal.reason as Error).name].join()
    },
  ],
  [
    'console has what programs call',
    () => {
      const names = 'assert clear count countReset debug dir dirxml error group groupCollapsed groupEnd info log'
      const others = 'table time timeEnd timeLog trace warn'
      return `${names} ${others}`
        .split(' ')
        .filter((name) => typeof Reflect.get(console, name) !== 'function')
        .join()
    },
  ],
  [
    'a stream of writes waits for its sink',
    async () => {
      const written: string[] = []
      const stream = new WritableStream<string>({
        async write(chunk) {
          await sleep(2)
          written.push(chunk)
        },
        close: () => void written.push('closed'),
      })
      const writer = stream.getWriter()
      void writer.write('a')
      void writer.write('b')
      await writer.close()
      return written.join()
    },
  ],
]

/** Does all of it, one after the other. */
export async function deviceBattery(): Promise<string[]> {
  const lines: string[] = []
  for (const [name, run] of CHECKS) {
    try {
      lines.push(`${name}: ${String(await run())}`)
    } catch (error) {
      lines.push(`${name}: failed: ${String(error)}`)
    }
  }
  return lines
}
