import assert from 'node:assert/strict'
import { it, describe as suite } from 'node:test'
import fc from 'fast-check'
import { findSleepTypes } from './aml.ts'
import { findMmioDevices } from './aml-devices.ts'
import { CAPTURED_MICROVM, CAPTURED_Q35, type Capture, CapturedFirmware, correctChecksum } from './captures.ts'
import { type Description, describe } from './description.ts'
import { type PowerControl, powerControl } from './power.ts'
import { readAcpiTables } from './tables.ts'

const CAPTURES = [CAPTURED_MICROVM, CAPTURED_Q35]

const TABLE_HEADER_LEN = 36

/** All that the tables say. */
interface Said extends Description {
  readonly power: PowerControl | undefined
  readonly problems: readonly string[]
}

function described(capture: Capture, change: (firmware: CapturedFirmware) => void = () => {}): Said {
  const firmware = new CapturedFirmware(capture)
  change(firmware)
  const tables = readAcpiTables(firmware.root, firmware.read)
  return { ...describe(tables), power: powerControl(tables), problems: tables.problems }
}

suite('ACPI', () => {
  it('announces the devices of microvm, its interrupt controllers, and how it is turned off', () => {
    assert.deepEqual(described(CAPTURED_MICROVM), {
      pci: [],
      controllers: [
        { address: 0xfec0_0000, firstLine: 0 },
        { address: 0xfec1_0000, firstLine: 24 },
      ],
      isaLines: [],
      mmioDevices: [
        { base: 0xfeb0_2e00, lenBytes: 512, line: 47, isLevel: true, isLow: false },
        { base: 0xfeb0_2c00, lenBytes: 512, line: 46, isLevel: true, isLow: false },
      ],
      power: {
        enable: undefined,
        control: [],
        sleep: { isPort: false, address: 0xfea0_0200, width: 1, value: 0x34 },
        reset: { isPort: false, address: 0xfea0_0202, width: 1, value: 0x42 },
      },
      problems: [],
    })
  })

  it('tells of q35 where configuration space is, which lines are levels, and what its ports are', () => {
    assert.deepEqual(described(CAPTURED_Q35), {
      pci: [{ base: 0xb000_0000, segment: 0, firstBus: 0, lastBus: 255 }],
      controllers: [{ address: 0xfec0_0000, firstLine: 0 }],
      isaLines: [
        { irq: 0, line: 2, isLevel: false, isLow: false },
        ...[5, 9, 10, 11].map((line) => ({ irq: line, line, isLevel: true, isLow: false })),
      ],
      mmioDevices: [],
      power: {
        enable: { isPort: true, address: 0xb2, width: 1, value: 2 },
        control: [{ port: 0x604, sleepType: 0 }],
        sleep: undefined,
        reset: { isPort: true, address: 0xcf9, width: 1, value: 15 },
      },
      problems: [],
    })
  })

  it('takes nothing from a root pointer that is none (§5.2.5.3)', () => {
    for (const change of [0, 8, 19]) {
      const { problems, controllers } = described(CAPTURED_Q35, ({ root }) => {
        root[change] = (root[change] as number) + 1
      })
      assert.deepEqual([problems, controllers], [['ACPI’s root pointer is none'], []])
    }
    const { problems } = readAcpiTables(new Uint8Array(0), () => undefined)
    assert.deepEqual(problems, ['ACPI’s root pointer is none'])
  })

  it('says which table is broken, and believes the others', () => {
    const broken = described(CAPTURED_MICROVM, (firmware) => {
      const madt = firmware.table('APIC')
      madt[50] = (madt[50] as number) ^ 1
    })
    assert.deepEqual([broken.problems, broken.controllers], [['ACPI table APIC has a wrong checksum'], []])
    assert.equal(broken.mmioDevices.length, 2)
    const long = described(CAPTURED_MICROVM, (firmware) => firmware.table('DSDT').fill(0xff, 4, 8))
    assert.deepEqual(long.problems, ['ACPI table DSDT has a wrong length, 4294967295'])
    const nowhere = described(CAPTURED_MICROVM, (firmware) => {
      firmware.table('FACP').fill(0x77, 140, 148)
      correctChecksum(firmware.table('FACP'))
    })
    assert.match(nowhere.problems[0] ?? '', /^ACPI names a table at 0x7777\S+, where there is none$/)
  })

  it('leaves out a region of configuration space that is none', () => {
    for (const [at, value] of [
      [44, 1], // not where a bus may begin
      [54, 1], // ends in front of its first bus
    ] as const) {
      const { pci } = described(CAPTURED_Q35, (firmware) => {
        const mcfg = firmware.table('MCFG')
        mcfg[at] = value
        if (at === 54) mcfg[55] = 0
        correctChecksum(mcfg)
      })
      assert.deepEqual(pci, [])
    }
  })

  it('reads the RSDT where there is no XSDT that can be read', () => {
    const { controllers, problems } = described(CAPTURED_Q35, ({ root }) => {
      root[15] = 2 // which this root pointer is too short for
      root[8] = (root[8] as number) - 2
    })
    assert.deepEqual([controllers.length, problems], [1, []])
  })

  it('reads no more than a few megabytes, whatever a list names', () => {
    const firmware = new CapturedFirmware(CAPTURED_Q35)
    const list = new Uint8Array(TABLE_HEADER_LEN + 4 * 5000)
    list.set(new TextEncoder().encode('RSDT'))
    const dv = new DataView(list.buffer)
    dv.setUint32(4, list.length, true)
    for (let at = TABLE_HEADER_LEN; at < list.length; at += 4) dv.setUint32(at, 0x100_0000, true)
    correctChecksum(list)
    const large = new Uint8Array(1 << 20)
    large.set(new TextEncoder().encode('SSDT'))
    new DataView(large.buffer).setUint32(4, large.length, true)
    correctChecksum(large)
    const memory = new CapturedFirmware({ root: '', tables: [] })
    const tables = memory.tables as { address: number; octets: Uint8Array }[]
    const rsdt = new DataView(firmware.root.buffer).getUint32(16, true)
    tables.push({ address: rsdt, octets: list }, { address: 0x100_0000, octets: large })
    const { problems } = readAcpiTables(firmware.root, memory.read)
    assert.match(problems.join(), /names 5000 tables.*longer than 4194304 octets/)
    assert.ok(memory.readLen < 6e6, `${memory.readLen} octets were read`)
  })

  it('never throws, and names only what can be, whatever octets are changed', () => {
    const octet = fc.record({ table: fc.nat(5), at: fc.nat(700), value: fc.nat(255), isChecked: fc.boolean() })
    fc.assert(
      fc.property(fc.constantFrom(...CAPTURES), fc.array(octet, { maxLength: 8 }), (capture, changes) => {
        checkDescription(
          described(capture, (firmware) => {
            for (const { table, at, value, isChecked } of changes) {
              const octets = firmware.tables[table % firmware.tables.length]?.octets as Uint8Array
              octets[at % octets.length] = value
              if (isChecked) correctChecksum(octets)
            }
          }),
        )
      }),
      { numRuns: 2000 },
    )
  })
})

suite('ACPI’s machine code', () => {
  const dsdt = (capture: Capture) => new CapturedFirmware(capture).table('DSDT').subarray(TABLE_HEADER_LEN)

  it('stays within any part of a block', () => {
    const whole = dsdt(CAPTURED_MICROVM)
    for (let end = 0; end < whole.length; end++) {
      assert.ok(findMmioDevices(whole.subarray(0, end)).length <= 2)
      const types = findSleepTypes(whole.subarray(0, end))
      assert.ok(types === undefined || types[0] === 5, `${end}`)
    }
    assert.deepEqual(findSleepTypes(whole), [5, 0])
    assert.deepEqual(findSleepTypes(dsdt(CAPTURED_Q35)), [0, 0])
  })

  it('reads every kind of descriptor that memory may have (§6.4.3)', () => {
    // A device of our own: its name, _HID, and the descriptors as _CRS.
    const device = (resources: readonly number[]) => {
      const ascii = (text: string) => Array.from(text, (char) => char.charCodeAt(0))
      const crs = [0x0a, resources.length + 2, ...resources, 0x79, 0]
      const body = [
        ...ascii('VIRT'),
        ...[8, ...ascii('_HID'), 0x0d, ...ascii('LNRO0005'), 0],
        ...[8, ...ascii('_CRS'), 0x11, crs.length + 1, ...crs],
      ]
      const len = body.length + 2
      return Uint8Array.from([0x5b, 0x82, 0x40 | (len & 15), len >> 4, ...body])
    }
    const interrupt = [0x89, 6, 0, 7, 1, 33, 0, 0, 0]
    const u32 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24]
    const u64 = (low: number, high: number) => [...u32(low), ...u32(high)]
    const how = { line: 33, isLevel: false, isLow: true }
    for (const [memory, wanted] of [
      [[0x86, 9, 0, 1, ...u32(0xfe00_0000), ...u32(512)], { base: 0xfe00_0000, lenBytes: 512 }],
      [
        [0x85, 17, 0, 1, ...u32(0xfe00_1000), ...u32(0xfe00_1000), ...u32(1), ...u32(4096)],
        { base: 0xfe00_1000, lenBytes: 4096 },
      ],
      [
        [0x87, 23, 0, 0, 0, 1, ...u32(0), ...u32(0xd000_0000), ...u32(0xd000_0fff), ...u32(0), ...u32(4096)],
        { base: 0xd000_0000, lenBytes: 4096 },
      ],
      [
        [0x8a, 43, 0, 0, 0, 1, ...u64(0, 0), ...u64(0x1000, 8), ...u64(0x1fff, 8), ...u64(0, 0), ...u64(4096, 0)],
        { base: 8 * 2 ** 32 + 0x1000, lenBytes: 4096 },
      ],
    ] as const) {
      assert.deepEqual(findMmioDevices(device([...memory, ...interrupt])), [{ ...wanted, ...how }])
      assert.deepEqual(findMmioDevices(device([...interrupt, ...memory])), [{ ...wanted, ...how }])
      // No memory, or no interrupt: no device.
      assert.deepEqual(findMmioDevices(device(memory)), [])
      assert.deepEqual(findMmioDevices(device(interrupt)), [])
    }
  })

  it('finds no more devices than a machine may have, in time that a table bounds', () => {
    const one = dsdt(CAPTURED_MICROVM)
    const many = new Uint8Array(one.length * 500)
    for (let i = 0; i < 500; i++) many.set(one, i * one.length)
    assert.equal(findMmioDevices(many).length, 64)
  })
})

function checkDescription({ pci, controllers, mmioDevices, power, problems }: Said): void {
  for (const { base, firstBus, lastBus } of pci) {
    assert.ok(Number.isSafeInteger(base) && base > 0 && firstBus <= lastBus && lastBus < 256)
  }
  for (const { address, firstLine } of controllers)
    assert.ok(address >>> 0 === address && firstLine >>> 0 === firstLine)
  for (const { base, lenBytes, line } of mmioDevices) {
    assert.ok(base > 0 && Number.isSafeInteger(base + lenBytes) && line >>> 0 === line)
  }
  const writes = [power?.enable, power?.sleep, power?.reset].filter((write) => write !== undefined)
  for (const { isPort, address, value } of writes) {
    assert.ok(Number.isSafeInteger(address) && (!isPort || address <= 0xffff) && value >= 0 && value <= 255)
  }
  for (const { port, sleepType } of power?.control ?? []) assert.ok(port > 0 && port <= 0xffff && sleepType <= 7)
  assert.ok(pci.length <= 64 && controllers.length <= 64 && mmioDevices.length <= 64 && problems.length <= 140)
}
