// The module's own promise is rejected while it waits for a poll.

import { monotonicUs, setPoll } from 'mirage:native'

const failed = new Promise((_, reject) => {
  const deadline = monotonicUs() + 20000
  setPoll(() => {
    if (monotonicUs() >= deadline) reject(new Error('the driver did not answer'))
    return deadline
  })
})
await failed
