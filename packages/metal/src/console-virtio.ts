/** The console of a virtual machine that has no serial port, or whose host looks at virtio's. */
import { consolePrint, monotonicUs } from 'mirage:native'
import type { Console } from '@mirage-ts/signatures/console'
import { createConsole as createSerialConsole, replaceMachineConsole } from './console.ts'
import { DEVICE_ID_CONSOLE, VirtioConsole } from './virtio/console.ts'
import { DMA, deviceProblems, virtioDevices } from './virtio-devices.ts'

/** Starts the machine's first virtio console; where there is none, says so on the serial port and makes that the console. */
export function createConsole(): Console {
  const [transport] = virtioDevices(DEVICE_ID_CONSOLE)
  if (transport === undefined) {
    consolePrint(`No virtio console (QEMU: -device virtio-serial-pci -device virtconsole)${deviceProblems()}\n`)
    return createSerialConsole()
  }
  const device = new VirtioConsole(transport, DMA, monotonicUs)
  const console = { write: (text: string) => device.write(text), drain: () => device.drain() }
  replaceMachineConsole(console)
  return console
}
