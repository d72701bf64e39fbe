/** Prints every file of a store, wherever that store is. */
import { utf8Decode } from '@mirage-ts/core/utf8'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'

export async function start({ files, log }: { files: KvRo; log: Log }): Promise<void> {
  const application = log.logger('application')
  const print = async (dictionary: string): Promise<void> => {
    for (const { name, kind } of await files.list(dictionary)) {
      const key = dictionary === '' ? name : `${dictionary}/${name}`
      if (kind === 'dictionary') await print(key)
      else {
        const octets = await files.get(key)
        const text = utf8Decode(octets)?.trim() ?? `${octets.length} octets`
        application.info(`${key}: ${text} (${(await files.digest(key)).slice(0, 8)})`)
      }
    }
  }
  await print('')
}
