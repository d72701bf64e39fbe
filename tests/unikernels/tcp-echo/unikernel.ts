/** Gives every octet of every connection to port 7 back (RFC 862): for tests of devices and of the stack on them. */
import { pump } from '@mirage-ts/core/flow-reader'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { Stack } from '@mirage-ts/signatures/stack'

export async function start({ stack }: { stack: Stack }): Promise<void> {
  await stack.tcp.listen(7 as Port, (flow) => {
    pump(flow, flow).then(
      () => flow.close(),
      () => flow.abort(),
    )
  })
  await new Promise(() => {})
}
