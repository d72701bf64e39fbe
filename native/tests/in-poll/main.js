// A promise rejected by poll itself, with no job left to run, is reported
// before the machine goes to sleep.

import { irqEnable, setPoll } from 'mirage:native'

irqEnable(4)
setPoll(() => {
  void Promise.reject(null)
  return Infinity
})
