// The run loop: jobs before poll, sleep until the deadline or an interrupt,
// "nothing left" when nothing can wake the machine.

const INTERRUPT_ENABLE = 0x3f9 // of the serial port: its line 4
let step = 0
let deadline = 0
let order = ''
let calls = 0

const steps = [
  () => {
    void Promise.resolve().then(() => (order += 'job '))
    order += 'poll '
    return 0 // passed: again, after the job
  },
  () => {
    check(order === 'poll job ', `order: ${order}`)
    deadline = native.monotonicUs() + 50000
    return deadline
  },
  () => {
    const late = native.monotonicUs() - deadline
    check(late >= 0 && late < 50000, `late by ${late} us`)
    if (native.target !== 'virtio') return Infinity // nothing left to wait for: the machine ends
    native.irqEnable(4, false, false)
    native.portWrite8(INTERRUPT_ENABLE, 2) // raised now, before the sleep
    return Infinity
  },
  () => {
    native.portRead8(0x3fa)
    native.portWrite8(INTERRUPT_ENABLE, 0)
    success()
  },
]

native.setPoll(() => {
  calls++
  check(calls < 100, 'poll is called in a busy loop')
  if (step > 0 && deadline > native.monotonicUs()) return deadline // woken early
  return steps[step++]()
})
