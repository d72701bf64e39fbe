// A promise rejected by poll itself, with no job left to run, is reported
// before the machine goes to sleep.

import { setPoll } from 'mirage:native'

setPoll(() => {
  void Promise.reject(null)
  return 1e12
})
