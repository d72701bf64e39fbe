/** Starts a machine as a Unix process: what the generated `main.ts` of target unix calls. */
import { writeSync } from 'node:fs'
import process from 'node:process'
import { type Boot, boot, type Manifest, type Platform } from '@mirage-ts/core/boot'
import type { ArgKeys, Args } from '@mirage-ts/core/boot-args'

const STDOUT = 1

const unix: Platform = {
  argv: () => process.argv.slice(2),
  // Synchronously: what the boot writes is often the last thing before the exit.
  write: writeLastWords,
  exit: (status) => process.exit(status),
}

/** Starts the machine; see {@link boot}. */
export async function run<const Keys extends ArgKeys>(
  manifest: Manifest<Keys>,
  main: (boot: Boot<Args<Keys>>) => Promise<void>,
): Promise<void> {
  await boot(unix, manifest, main)
}

function writeLastWords(text: string): void {
  try {
    writeSync(STDOUT, text)
  } catch (error) {
    // The reader of a pipe is gone, and with it whoever could be told.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error
  }
}
