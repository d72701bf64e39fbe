/** Says hello, slowly. It asks for time and a log, and does not know who provides them. */
import { seconds } from '@mirage-ts/core/time'
import type { Log } from '@mirage-ts/signatures/log'
import type { Time } from '@mirage-ts/signatures/time'

const ROUNDS = 4

export async function start({ time, log }: { time: Time; log: Log }): Promise<void> {
  const application = log.logger('application')
  for (let round = 0; round < ROUNDS; round++) {
    application.info('hello')
    await time.sleep(seconds(1))
    application.info('world')
    await time.sleep(seconds(1))
  }
}
