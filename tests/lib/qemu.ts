/** Machines of QEMU that `mirage run` does not start: others than its two, or with other devices. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** QEMU's smallest machine, whose devices are named on the command line. */
export const MICROVM: readonly string[] = [
  ...['-M', 'microvm,acpi=off,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=on'],
  ...['-global', 'virtio-mmio.force-legacy=off'],
]
/** Lets QEMU end with a status that is the image's. */
export const EXIT_DEVICE: readonly string[] = ['-device', 'isa-debug-exit,iobase=0x501,iosize=4']

const LIMIT_MS = 90_000

/** How a machine ended: `undefined` when it had to be killed. */
export interface QemuResult {
  readonly status: number | undefined
  /** What came over the serial port, and what QEMU said. */
  readonly output: string
}

/** Emulates a machine with a serial port until it ends by itself, or until its output matches `until`. */
export async function runQemu(words: readonly string[], until?: RegExp): Promise<QemuResult> {
  const machine = ['-accel', 'tcg', '-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none']
  const processor = words.includes('-cpu') ? [] : ['-cpu', 'max']
  const serial = words.includes('-serial') ? [] : ['-serial', 'stdio']
  const qemu = spawn('qemu-system-x86_64', [...machine, ...processor, ...serial, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => qemu.kill('SIGKILL'), LIMIT_MS)
  let output = ''
  for (const stream of [qemu.stdout, qemu.stderr]) {
    // A character may come in two chunks.
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (until?.test(output)) qemu.kill()
    })
  }
  const [status] = (await once(qemu, 'close')) as [number | null]
  clearTimeout(timer)
  return { status: status ?? undefined, output }
}
