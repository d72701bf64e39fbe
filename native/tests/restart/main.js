// Says how long it has been up, waits for its timer, and starts again.

const UP_US = 300_000

print(`started at ${native.monotonicUs()}`)
native.setPoll(() => {
  const now = native.monotonicUs()
  if (now < UP_US) return UP_US
  print(`restarts at ${now}`)
  native.restart(75)
})
