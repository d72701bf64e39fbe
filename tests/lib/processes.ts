/** Processes that tests have started. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Ends `child` and waits until it has ended and all it said has come; nothing when it has ended before. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  // What nobody reads would keep it from being closed.
  child.stdout?.resume()
  child.stderr?.resume()
  child.kill()
  await once(child, 'close')
}
