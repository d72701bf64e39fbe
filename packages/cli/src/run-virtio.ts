/** `mirage run` for virtio: QEMU's microvm. */
import { UserError } from './errors.ts'
import type { RunOptions } from './run-options.ts'

export async function runVirtio(_options: RunOptions): Promise<number> {
  throw new UserError('virtio: not yet')
}
