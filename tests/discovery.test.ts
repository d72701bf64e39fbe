/**
 * One image on every machine of QEMU: devices named on the command line, announced by ACPI, on PCI by memory and by ports, with
 * interrupts by message and by line, with registers and buffers above 4 GiB. And turned off by what ACPI says: without a
 * device that tells QEMU a status, and with resets that start the machine again, QEMU ends with 0 only then. And started
 * again, when the application asks for it.
 */
import assert from 'node:assert/strict'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build, makeFolder, ROOT } from './lib/mirage.ts'
import { EXIT_DEVICE, MICROVM, type QemuResult, runQemu } from './lib/qemu.ts'

const ON_MMIO = ['-device', 'virtio-net-device,netdev=n0', '-device', 'virtio-blk-device,drive=b0']
const onPci = (more = ''): readonly string[] => [
  ...['-device', `virtio-net-pci,netdev=n0,romfile=${more}`],
  ...['-device', `virtio-blk-pci,drive=b0${more}`],
]
const withAcpi = (more = ''): readonly string[] => [
  ...['-M', `microvm,acpi=on,x-option-roms=off,isa-serial=on,rtc=on,auto-kernel-cmdline=off${more}`],
  ...['-global', 'virtio-mmio.force-legacy=off'],
]
/** Takes so much room that firmware moves all registers with long addresses above 4 GiB. */
const LARGE_REGISTERS = ['-device', 'pci-testdev,membar=8G']
const LINES = ',vectors=0'

interface Machine {
  readonly name: string
  readonly words: readonly string[]
  readonly found: string
  readonly registers?: 'above' | 'below'
  /** Memory for devices above 4 GiB. */
  readonly isHigh?: boolean
}

const ANNOUNCED = (controllers: number) =>
  `pci by nothing, 2 devices announced, ${controllers} interrupt controllers, a way to turn off`
const BY_MEMORY = 'pci by memory, 0 devices announced, 1 interrupt controllers, a way to turn off'
const BY_PORTS = 'pci by ports, 0 devices announced, 1 interrupt controllers, a way to turn off'

const MACHINES: readonly Machine[] = [
  { name: 'microvm with ACPI', words: [...withAcpi(), ...ON_MMIO], found: ANNOUNCED(2) },
  {
    name: 'microvm with ACPI and one interrupt controller',
    words: [...withAcpi(',ioapic2=off'), ...ON_MMIO],
    found: ANNOUNCED(1),
  },
  { name: 'q35', words: ['-M', 'q35', ...onPci()], found: BY_MEMORY },
  { name: 'q35, interrupts by lines', words: ['-M', 'q35', ...onPci(LINES)], found: BY_MEMORY },
  { name: 'pc', words: ['-M', 'pc', ...onPci()], found: BY_PORTS },
  { name: 'pc, interrupts by lines', words: ['-M', 'pc', ...onPci(LINES)], found: BY_PORTS },
  {
    name: 'q35, to be notified by ports or memory',
    words: ['-M', 'q35', ...onPci(',modern-pio-notify=on')],
    found: BY_MEMORY,
  },
  {
    name: 'q35, devices behind an IOMMU that is off',
    words: ['-M', 'q35', '-device', 'intel-iommu', ...onPci(',disable-legacy=on,iommu_platform=on')],
    found: BY_MEMORY,
  },
  {
    name: 'q35 with registers above 4 GiB',
    words: ['-M', 'q35', ...onPci(), ...LARGE_REGISTERS],
    found: BY_MEMORY,
    registers: 'above',
  },
  {
    name: 'pc with registers above 4 GiB, interrupts by lines',
    words: ['-M', 'pc', ...onPci(LINES), ...LARGE_REGISTERS],
    found: BY_PORTS,
    registers: 'above',
  },
  {
    name: 'q35 with memory above 4 GiB for devices, and their registers behind it',
    words: ['-M', 'q35,max-ram-below-4g=16M', ...onPci(), ...LARGE_REGISTERS],
    found: BY_MEMORY,
    registers: 'above',
    isHigh: true,
  },
]

describe('devices are found', () => {
  let folder = ''
  before(async () => {
    folder = makeFolder()
    cpSync(join(ROOT, 'tests/discovery'), folder, { recursive: true })
    writeFileSync(join(folder, 'disk.raw'), new Uint8Array(1 << 20))
    await build(folder, '-t', 'virtio')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  async function boot(words: readonly string[], commandLine = ''): Promise<QemuResult> {
    const backends = ['-netdev', 'user,id=n0,restrict=on']
    backends.push('-drive', `if=none,id=b0,format=raw,file=${join(folder, 'disk.raw')}`)
    const image = ['-kernel', join(folder, 'dist/discovery.virtio'), '-append', commandLine, '-m', '64']
    return await runQemu([...image, ...backends, ...words])
  }

  for (const { name, words, found, registers = 'below', isHigh = false } of MACHINES) {
    it(`on ${name}, which turns off`, async () => {
      const { status, output } = await boot(words, isHigh ? 'high' : '')
      assert.deepEqual(linesOf(output), [
        found,
        `registers ${registers} 4 GiB`,
        'disk: 20 sectors written and read',
        'network: 20 answers',
      ])
      assert.equal(status, 0, output)
    })
  }

  it('on microvm by the command line, without firmware that says anything', async () => {
    const { status, output } = await boot([...MICROVM, ...EXIT_DEVICE, ...ON_MMIO])
    assert.equal(linesOf(output)[0], 'pci by nothing, 0 devices announced, 0 interrupt controllers, no way to turn off')
    assert.equal(status, 1, output)
  })

  for (const [name, ...words] of [
    ['MMIO', ...MICROVM, ...ON_MMIO],
    ['PCI, by message', '-M', 'q35', ...onPci()],
    ['PCI, by line', '-M', 'pc', ...onPci(LINES)],
  ] as const) {
    it(`and say when they have broken, on ${name} (virtio §2.1.1)`, async () => {
      const { output } = await boot([...EXIT_DEVICE, ...words], 'break')
      assert.deepEqual(
        linesOf(output).slice(4),
        ["disk: Cannot read sector 0: the disk's device has broken", 'network: broken'],
        output,
      )
    })
  }

  const restarting: readonly (readonly [string, readonly string[]])[] = [
    ['microvm without ACPI', [...MICROVM, ...ON_MMIO]],
    ['microvm with ACPI', [...withAcpi(), ...ON_MMIO]],
    ['pc', ['-M', 'pc', ...onPci()]],
    ['q35', ['-M', 'q35', ...onPci()]],
  ]
  for (const [name, words] of restarting) {
    it(`on ${name} again after each restart that is asked for`, async () => {
      writeFileSync(join(folder, 'disk.raw'), new Uint8Array(1 << 20))
      const { status, output } = await boot([...words, ...EXIT_DEVICE], 'restart')
      const lines = linesOf(output)
      const one = lines.slice(0, 4)
      assert.deepEqual(one.slice(2), ['disk: 20 sectors written and read', 'network: 20 answers'])
      assert.deepEqual(lines, [...one, ...one, ...one])
      assert.equal(output.match(/^discovery: restarting\r?$/gm)?.length, 2, output)
      assert.equal(status, 1, output)
    })
  }

  it('and those that cannot be used are named', async () => {
    const legacy = ['-M', 'microvm,acpi=on,isa-serial=on,rtc=on,auto-kernel-cmdline=off']
    const { output } = await boot([...legacy, ...EXIT_DEVICE, ...ON_MMIO])
    assert.match(
      output,
      /device at 0xfeb0[0-9a-f]{4}: it is a legacy one \(QEMU: -global virtio-mmio\.force-legacy=off\)/,
    )
  })
})

function linesOf(output: string): readonly string[] {
  return output.split(/\r?\n/).flatMap((line) => line.split('[discovery] ').slice(1))
}
