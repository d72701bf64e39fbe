import { createTime } from '@mirage-ts/node/time'
import { runFlowConformance } from './conformance/flow-suite.ts'
import { createFlowPair } from './flow-pair.ts'

for (const [name, options] of [
  ['flow pair', {}],
  ['flow pair of small chunks', { capacityBytes: 1000, chunkBytes: 7 }],
] as const) {
  runFlowConformance(name, async () => {
    const [a, b] = createFlowPair(options)
    return { a, b, time: createTime(), run: (body) => body, close: () => {} }
  })
}
