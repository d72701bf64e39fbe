/** Counts how often it was started, in a store that outlives it. */
import { KvError } from '@mirage-ts/core/errors'
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'

const KEY = 'counter/starts'

export async function start({ store, log }: { store: KvRw; log: Log }): Promise<void> {
  const before = await store.get(KEY).catch((error: unknown) => {
    if (error instanceof KvError && error.code === 'not-found') return undefined // the first start
    throw error
  })
  const count = Number(before === undefined ? '0' : utf8Decode(before)) + 1
  await store.set(KEY, utf8Encode(String(count)) as Uint8Array)
  // Only now is it sure to survive whatever happens next.
  await store.flush()
  log.logger('counter').info(`start ${count}`)
}
