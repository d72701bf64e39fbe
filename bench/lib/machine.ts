/** Booting an image in QEMU and watching its clock: for the demo and the benchmarks. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** The machines of `mirage run`, under emulation: the microvm, which starts fastest, and a PC. */
const MACHINES = {
  microvm: [
    ...['-M', 'microvm,acpi=off,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=on'],
    ...['-global', 'virtio-mmio.force-legacy=off'],
  ],
  q35: ['-M', 'q35'],
}
const NETWORK_DEVICE = { microvm: 'virtio-net-device', q35: 'virtio-net-pci,romfile=' }
const COMMON = [
  ...['-accel', 'tcg', '-cpu', 'max'],
  ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio', '-monitor', 'none'],
  ...['-device', 'isa-debug-exit,iobase=0x501,iosize=4'],
]

export interface BootOptions {
  readonly memMib: number
  /** The guest's arguments. */
  readonly append?: string
  /** Forwards this port of the loopback interface to port 80 of the guest. */
  readonly hostPort?: number
  /** Forwards this UDP port to port 53 of the guest. */
  readonly hostDnsPort?: number
  /** The first file system, for a guest that has one. */
  readonly initrd?: string
  /** Default: microvm. */
  readonly machine?: 'microvm' | 'q35'
  /** A file for QEMU's log of the blocks it translates and of writes to the serial port. */
  readonly trace?: string
}

/** A machine that was started. Times are in milliseconds since QEMU was executed. */
export class Machine {
  readonly startedAt = performance.now()
  readonly process: ChildProcess
  /** What the guest has written so far. */
  output = ''
  firstByteMs: number | undefined
  /** Resolves with the guest's first octet on the console, or when it has ended without one. */
  readonly firstByte: Promise<void>

  constructor(
    image: string,
    { memMib, append = '', hostPort, hostDnsPort, initrd, machine = 'microvm', trace }: BootOptions,
  ) {
    const forwards = [
      hostPort === undefined ? '' : `,hostfwd=tcp:127.0.0.1:${hostPort}-:80`,
      hostDnsPort === undefined ? '' : `,hostfwd=udp:127.0.0.1:${hostDnsPort}-:53`,
    ].join('')
    const network =
      forwards === '' ? [] : ['-netdev', `user,id=n0${forwards}`, '-device', `${NETWORK_DEVICE[machine]},netdev=n0`]
    const files = initrd === undefined ? ['-kernel', image] : ['-kernel', image, '-initrd', initrd]
    const logged = trace === undefined ? [] : ['-d', 'in_asm,trace:serial_write', '-D', trace]
    const memory = ['-m', `${Math.round(memMib * 1024)}K`]
    const args = [...MACHINES[machine], ...COMMON, ...memory, ...files, '-append', append, ...network, ...logged]
    this.process = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    // QEMU's own words; what it says about being ended is of no interest.
    this.process.stderr?.on('data', (chunk: Buffer) => {
      if (!this.process.killed) process.stderr.write(chunk)
    })
    this.firstByte = new Promise((resolve) => {
      this.process.once('exit', () => resolve())
      this.process.stdout?.on('data', (chunk: Buffer) => {
        this.firstByteMs ??= this.elapsedMs()
        this.output += chunk.toString()
        resolve()
      })
    })
  }

  elapsedMs(): number {
    return performance.now() - this.startedAt
  }

  /** Resolves to QEMU's exit status when the guest has powered off. */
  async exited(): Promise<number | null> {
    if (this.process.exitCode === null) await once(this.process, 'exit')
    return this.process.exitCode
  }

  /** Ends it when it still runs. */
  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    this.process.kill()
    await once(this.process, 'exit')
  }
}

/** Milliseconds from executing QEMU to the first octet on the guest's console: the median of `runs` boots. */
export async function medianFirstByteMs(image: string, options: BootOptions, runs: number): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < runs; i++) {
    const machine = new Machine(image, options)
    const timeout = setTimeout(() => void machine.stop(), 20_000)
    await machine.firstByte
    clearTimeout(timeout)
    await machine.stop()
    if (machine.firstByteMs === undefined) throw new Error(`Cannot measure ${image}: it wrote nothing in 20 s`)
    times.push(machine.firstByteMs)
  }
  return median(times)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
