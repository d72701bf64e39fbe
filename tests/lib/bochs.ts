/** Machines of Bochs: an emulator that shares no code with QEMU, and whose processors are models that were sold. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SHARED = '/usr/share/bochs'
/** Whether Bochs is here: false, or what is missing. */
export const NO_BOCHS: string | false =
  existsSync('/usr/bin/bochs') &&
  existsSync(`${SHARED}/BIOS-bochs-latest`) &&
  existsSync(`${SHARED}/VGABIOS-lgpl-latest`)
    ? false
    : 'needs bochs, bochs-term, bochsbios and vgabios'

const LIMIT_MS = 90_000

/** How a machine ended. */
export interface BochsResult {
  /** What came over the serial port. */
  readonly output: string
  /** Why it ended, in Bochs's words: `ACPI control: soft power off`. Empty when it had to be killed. */
  readonly ending: string
  /** The time stamp counter then: 100 million ticks are a second of the clocks beside it. */
  readonly ticks: number
}

/** Starts a machine with 64 MiB from a CD (`.iso`) or hard disk (any other name), and waits until it turns itself off. */
export async function runBochs(image: string, processor: string): Promise<BochsResult> {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-bochs-'))
  const at = (name: string) => join(folder, name)
  const isDisc = image.endsWith('.iso')
  const drive = isDisc ? `type=cdrom, path=${image}, status=inserted` : `type=disk, path=${image}, mode=flat`
  writeFileSync(
    at('bochsrc'),
    `config_interface: textconfig
display_library: term
memory: guest=64, host=64
romimage: file=${SHARED}/BIOS-bochs-latest
vgaromimage: file=${SHARED}/VGABIOS-lgpl-latest
cpu: model=${processor}, ips=100000000, reset_on_triple_fault=0
ata0-master: ${drive}
boot: ${isDisc ? 'cdrom' : 'disk'}
com1: enabled=1, mode=file, dev=${at('serial')}
clock: sync=none, time0=utc
sound: driver=default, waveoutdrv=dummy
speaker: enabled=0
panic: action=fatal
log: ${at('log')}
`,
  )
  writeFileSync(at('commands'), 'continue\n') // Debian's Bochs waits in its debugger
  // Its screen wants a terminal.
  const bochs = spawn('script', ['-qc', `bochs -q -f ${at('bochsrc')} -rc ${at('commands')}`, '/dev/null'], {
    env: { ...process.env, TERM: 'vt100' },
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  const timer = setTimeout(() => bochs.kill(), LIMIT_MS)
  await once(bochs, 'close')
  clearTimeout(timer)
  const text = (name: string) => (existsSync(at(name)) ? readFileSync(at(name), 'latin1') : '')
  const [, ticks, ending = ''] = /^(\d+)p.*>>PANIC<< (.*)/m.exec(text('log')) ?? []
  const result = { output: text('serial'), ending, ticks: Number(ticks ?? 0) }
  rmSync(folder, { recursive: true, force: true })
  return result
}
