import { runFlowConformance } from './conformance/flow-suite.ts'
import { createFlowPair } from './flow-pair.ts'
import { MockTime } from './mock-time.ts'

for (const [name, options] of [
  ['flow pair', {}],
  ['flow pair of small chunks', { capacityBytes: 1000, chunkBytes: 7 }],
] as const) {
  runFlowConformance(name, async () => {
    const [a, b] = createFlowPair(options)
    const time = new MockTime()
    return { a, b, time, run: (body) => time.until(body), close: () => {} }
  })
}
