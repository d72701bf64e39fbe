/**
 * A Linux with KVM, to start machines in: Debian's kernel with its module for AMD's processors, on QEMU's emulation of such a
 * processor. So images run under a real KVM where there is none to be had: with its clock, its interrupt controllers and its
 * virtio inside of the kernel (vhost). The files of this computer are there at the same places, and so is its QEMU.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { LOAD_MODULES, makeLinuxMachine } from '../lib/debian-linux.ts'
import { ROOT } from '../lib/mirage.ts'

const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'kvm_amd', 'tun', 'vhost_net']
const START_LIMIT_MS = 180_000
/** What its kernel says. */
const CONSOLE = join(ROOT, 'dist/kvm-host/console.log')

/** Says on the console that a command of this number has ended, and how: what comes before is the command's output. */
const END: string = randomUUID()

/** Reads lines: a number and a command to run, one at a time; or `kill` and a signal for the command that runs. */
const AGENT = `
stty raw -echo
printf '${END} 0 0\\n'
while read -r number command; do
  if [ "$number" = kill ]; then
    kill -$command -$(cat /dev/shm/job)
  else
    ( setsid sh -c "$command" 2>&1 </dev/null & echo $! >/dev/shm/job; wait $!; printf '${END} %s %s\\n' $number $? ) &
  fi
done
`

const INIT = `${LOAD_MODULES}
share() { /bin/busybox mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,cache=$3" "$1" "/computer$2"; }
echo 1 > /proc/sys/vm/overcommit_memory # machines have more memory than they use
/bin/busybox mkdir /computer
share all "" loose,ro
share checkout '${ROOT}' mmap
for folder in dev proc sys; do /bin/busybox mount -o bind /$folder /computer/$folder; done
/bin/busybox mkdir -p /computer/dev/shm
/bin/busybox mount -t tmpfs none /computer/dev/shm
/bin/busybox cp /bin/busybox /agent /computer/dev/shm
/bin/busybox ip link set lo up
export TMPDIR=/dev/shm PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec /bin/busybox chroot /computer /bin/sh /dev/shm/agent </dev/hvc0 >/dev/hvc0 2>&1
`

/** A command that runs in the machine. */
interface Command {
  readonly number: number
  readonly onOutput: (octets: Buffer) => void
  readonly onEnd: (status: number) => void
}

/** A machine that was started. */
export class KvmHost {
  readonly #qemu: ChildProcessByStdio<Writable, Readable, Readable>
  #said = Buffer.alloc(0)
  #qemuSaid = ''
  #current: Command | undefined
  #number = 0
  /** Resolves when the command before has ended. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(kernel: string, initrd: string) {
    const share = (name: string, path: string, more = '') => [
      ...['-fsdev', `local,id=${name},path=${path},security_model=none,multidevs=remap${more}`],
      ...['-device', `virtio-9p-pci,fsdev=${name},mount_tag=${name}`],
    ]
    this.#qemu = spawn(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg', '-M', 'q35', '-cpu', 'max,+svm', '-m', '1024', '-nodefaults', '-display', 'none'],
        ...['-kernel', kernel, '-initrd', initrd, '-no-reboot', '-monitor', 'none'],
        ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off no_timer_check'],
        ...['-chardev', 'stdio,id=agent,signal=off', '-device', 'virtio-serial-pci'],
        ...['-device', 'virtconsole,chardev=agent', '-serial', `file:${CONSOLE}`],
        ...share('all', '/', ',readonly=on'),
        ...share('checkout', ROOT),
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    )
    this.#qemu.stdout.on('data', (octets: Buffer) => this.#receive(octets))
    this.#qemu.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#qemuSaid += text
    })
    this.#qemu.on('close', () => this.#current?.onEnd(-1))
  }

  /** Starts the machine; some 20 seconds. Downloads Debian's kernel the first time. */
  static async start(): Promise<KvmHost> {
    const addFiles = (root: string) => writeFileSync(join(root, 'agent'), AGENT)
    const { kernel, initrd } = makeLinuxMachine('kvm-host', {
      flavour: 'amd64',
      modules: MODULES,
      init: INIT,
      addFiles,
    })
    const host = new KvmHost(kernel, initrd)
    const status = await new Promise<number>((resolve) => {
      const timer = setTimeout(() => resolve(-1), START_LIMIT_MS)
      host.#current = {
        number: 0,
        onOutput: () => {},
        onEnd(status) {
          clearTimeout(timer)
          resolve(status)
        },
      }
    })
    if (status === 0 && (await host.run('test -c /dev/kvm', () => {})) === 0) return host
    await host.stop()
    throw new Error(`The Linux with KVM did not start:\n${host.#qemuSaid}${readFileSync(CONSOLE, 'latin1')}`)
  }

  /**
   * Runs a command of the shell, when those before have ended. Resolves with its status: -1 when the machine has ended. When
   * `signal` is aborted, the command gets the signal that is the reason: TERM or KILL.
   */
  async run(command: string, onOutput: (octets: Buffer) => void, signal?: AbortSignal): Promise<number> {
    const done = this.#turn.then(() => this.#runNow(command, onOutput, signal))
    this.#turn = done
    return await done
  }

  async #runNow(command: string, onOutput: (octets: Buffer) => void, signal?: AbortSignal): Promise<number> {
    if (signal?.aborted || this.#qemu.exitCode !== null) return -1
    const kill = () => this.#qemu.stdin.write(`kill ${signal?.reason}\n`)
    signal?.addEventListener('abort', kill)
    const status = await new Promise<number>((onEnd) => {
      this.#current = { number: ++this.#number, onOutput, onEnd }
      this.#qemu.stdin.write(`${this.#number} ${command}\n`)
    })
    signal?.removeEventListener('abort', kill)
    return status
  }

  async stop(): Promise<void> {
    if (this.#qemu.exitCode === null && this.#qemu.signalCode === null) {
      this.#qemu.kill('SIGKILL')
      await once(this.#qemu, 'close')
    }
  }

  /** What may be the beginning of a command's end is held back until the rest has come. */
  #receive(octets: Buffer): void {
    this.#said = Buffer.concat([this.#said, octets])
    for (;;) {
      const at = this.#said.indexOf(END)
      const end = at < 0 ? -1 : this.#said.indexOf('\n', at)
      if (end < 0) break
      const [, number, status] = this.#said.toString('latin1', at, end).split(' ')
      const command = this.#current
      if (command?.number === Number(number)) {
        command.onOutput(this.#said.subarray(0, at))
        this.#current = undefined
        command.onEnd(Number(status))
      }
      this.#said = this.#said.subarray(end + 1)
    }
    let held = Math.max(0, this.#said.length - END.length - 32)
    while (held < this.#said.length && !isStart(this.#said.subarray(held))) held++
    if (held > 0) this.#current?.onOutput(this.#said.subarray(0, held))
    this.#said = this.#said.subarray(held)
  }
}

/** Whether octets are the start of a command's end, or more of it. */
function isStart(octets: Buffer): boolean {
  const text = octets.toString('latin1')
  return END.startsWith(text) || text.startsWith(END)
}
