import { ipv4 } from '@mirage-ts/core/addresses'
import { runStackConformance } from '@mirage-ts/testing/conformance/stack-suite'
import { createHostStack } from './host-stack.ts'
import { createTime } from './time.ts'

const time = createTime()

runStackConformance(
  'host stack',
  async () => {
    const stack = createHostStack()
    return {
      server: stack,
      client: stack,
      serverAddress: ipv4(127, 0, 0, 1),
      time,
      run: (body) => body,
      close: () => {},
    }
  },
  { isPrompt: false },
)
