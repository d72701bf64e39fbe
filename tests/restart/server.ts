import { seconds } from '@mirage-ts/core/time'
import type { Time } from '@mirage-ts/signatures/time'

/** A job that never ends. */
export async function serve({ time }: { time: Time }): Promise<void> {
  for (;;) await time.sleep(seconds(60))
}
