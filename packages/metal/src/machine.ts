/** The one run loop of the machine, as there is one `mirage:native`. Devices and timers of this package attach to it. */
import { monotonicUs, setPoll } from 'mirage:native'
import { RunLoop } from './run-loop.ts'

export const machine: RunLoop = new RunLoop(monotonicUs)
setPoll(() => machine.poll())
