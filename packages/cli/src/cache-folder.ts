/** Where the tool keeps what it can make again. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The tool's folder in the user's cache (XDG Base Directory Specification). */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'mirage-ts')
}
