/** Starts a bare machine: what the generated `main.ts` of target virtio calls. */
/// <reference path="./native.d.ts" />
import { commandLine, exit, restart } from 'mirage:native'
import { type Boot, boot, EXIT_RESTART, type Manifest, type Platform } from '@mirage-ts/core/boot'
import type { ArgKeys, Args } from '@mirage-ts/core/boot-args'
import { machineConsole } from './console.ts'
import { learnPower } from './firmware.ts'

const machine: Platform = {
  argv: () => commandLine,
  write: (text) => machineConsole().write(text),
  exit(status) {
    machineConsole().drain()
    learnPower()
    if (status === EXIT_RESTART) restart(status)
    exit(status)
  },
}

/** Starts the machine; see {@link boot}. */
export async function run<const Keys extends ArgKeys>(
  manifest: Manifest<Keys>,
  main: (boot: Boot<Args<Keys>>) => Promise<void>,
): Promise<void> {
  await boot(machine, manifest, main)
}
