/** The website example with the stack whose versions of IP and addressing are chosen when it is configured. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyExample } from './mirage.ts'

/** Copies the example; remove it when done. */
export function copyWebsite(): ReturnType<typeof copyExample> {
  const copy = copyExample('applications/static-website')
  const file = join(copy.folder, 'config.ts')
  const config = readFileSync(file, 'utf8')
    .replace('  genericStack,\n', '')
    .replaceAll('genericStack', 'genericIpStack')
  writeFileSync(file, `import { genericIpStack } from '@mirage-ts/config/ip-devices'\n${config}`)
  return copy
}
