import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { allowPciLine, listPci, openPciVirtio, type PciConfig } from './pci-bus.ts'
import { createEcam } from './pci-ecam.ts'

/** Configuration space of a few devices; what is not there reads as ones. */
class SimulatedPci implements PciConfig {
  readonly devices: Map<number, DataView> = new Map()

  add(device: number, words: Readonly<Record<number, number>>): DataView {
    const space = new DataView(new ArrayBuffer(256))
    for (const [off, word] of Object.entries(words)) space.setUint32(Number(off), word, true)
    this.devices.set(device, space)
    return space
  }

  read32(device: number, off: number): number {
    assert(off % 4 === 0 && off >= 0 && off < 256, `read at ${off}`)
    return this.devices.get(device)?.getUint32(off, true) ?? 0xffff_ffff
  }

  write32(device: number, off: number, value: number): void {
    this.devices.get(device)?.setUint32(off, value, true)
  }
}

/** A network device as QEMU has it: BAR 1 holds the interrupt table, BAR 4 (64 bits) the registers. */
const NET: Readonly<Record<number, number>> = {
  0: 0x1041_1af4,
  4: 0x0010_0103,
  20: 0xfebd_1000,
  32: 0xfe00_000c,
  52: 0x40,
  64: 0x0110_5009, // common
  68: 4,
  72: 0x0000,
  76: 0x1000,
  80: 0x0410_6009, // device configuration
  84: 4,
  88: 0x2000,
  92: 0x1000,
  96: 0x0214_8009, // notification
  100: 4,
  104: 0x3000,
  108: 0x1000,
  112: 4,
  128: 0x0002_0011, // MSI-X, three entries, last
  132: 1,
}

describe('PCI', () => {
  it('finds every function of every bus, bridges followed, and nothing on a machine without', () => {
    const pci = new SimulatedPci()
    assert.deepEqual(listPci(pci), [])
    pci.add(0x0008, { 0: 0x1041_1af4, 12: 0x80_0000 })
    pci.add(0x000b, { 0: 0x1042_1af4 })
    pci.add(0x0010, { 0: 0x1234_8086, 12: 0x01_0000, 24: 0x0001_0100 })
    pci.add(0x0100, { 0: 0x1043_1af4 })
    pci.add(0x0011, { 0: 0x1044_1af4 }) // behind a device with one function only
    assert.deepEqual(listPci(pci), [0x0008, 0x000b, 0x0010, 0x0100])
  })

  it('does not follow a bridge in a circle', () => {
    const pci = new SimulatedPci()
    pci.add(0x0008, { 0: 0x1234_8086, 12: 0x01_0000, 24: 0x0000_0000 })
    pci.add(0x0010, { 0: 0x1234_8086, 12: 0x01_0000, 24: 0x0001_0100 })
    pci.add(0x0100, { 0: 0x1234_8086, 12: 0x01_0000, 24: 0x0001_0100 })
    assert.deepEqual(listPci(pci), [0x0008, 0x0010, 0x0100])
  })

  it('tells where the registers are, and switches the device on', () => {
    const pci = new SimulatedPci()
    const space = pci.add(0x10, NET)
    assert.deepEqual(openPciVirtio(pci, 0x10), {
      name: '0000:00:02.0',
      deviceId: 1,
      common: { base: 0xfe00_0000, lenBytes: 0x1000 },
      notify: { base: 0xfe00_3000, lenBytes: 0x1000 },
      notifyMultiplier: 4,
      config: { base: 0xfe00_2000, lenBytes: 0x1000 },
      interrupt: { tag: 'message', table: { base: 0xfebd_1000, lenBytes: 48 } },
    })
    assert.equal(space.getUint16(0x04, true), 0x0507)
    assert.equal(space.getUint32(0x80, true), 0x8002_0011)
  })

  it('knows a transitional device by its subsystem, and leaves others alone (§4.1.2.1)', () => {
    const pci = new SimulatedPci()
    pci.add(0x10, { ...NET, 0: 0x1000_1af4, 44: 0x0001_1af4 })
    assert.equal(openPciVirtio(pci, 0x10)?.deviceId, 1)
    for (const id of [0x1041_8086, 0x1040_1af4, 0x1080_1af4, 0x0fff_1af4]) {
      pci.add(0x18, { ...NET, 0: id })
      assert.equal(openPciVirtio(pci, 0x18), undefined, id.toString(16))
    }
  })

  it('takes registers above 4 GiB, and refuses a device without those of version 1.0 or without an address', () => {
    const pci = new SimulatedPci()
    for (const change of [{ 52: 0x60 }, { 4: 0x103 }]) {
      pci.add(0x10, { ...NET, ...change })
      assert.throws(() => openPciVirtio(pci, 0x10), /0000:00:02\.0: it lacks registers/)
    }
    for (const change of [{ 36: 0xffff_ffff }, { 32: 0xc }, { 32: 0xc001 }]) {
      pci.add(0x10, { ...NET, ...change })
      assert.throws(() => openPciVirtio(pci, 0x10, 3), /0003:00:02\.0: firmware gave its registers no address/)
    }
    pci.add(0x10, { ...NET, 36: 0x38 })
    assert.equal(openPciVirtio(pci, 0x10)?.notify.base, 0x38_fe00_3000)
  })

  it('passes over registers in I/O space where they are in memory, too (§4.1.4.1)', () => {
    const pci = new SimulatedPci()
    // BAR 0 is in I/O space, and the device would rather be notified there.
    pci.add(0x10, { ...NET, 16: 0xc001, 52: 0x90, 144: 0x0214_4009, 148: 0, 152: 0, 156: 4, 160: 0 })
    const found = openPciVirtio(pci, 0x10)
    assert.deepEqual([found?.notify.base, found?.notifyMultiplier], [0xfe00_3000, 4])
  })

  it('interrupts by its line where it cannot by message, not before it is allowed to', () => {
    const pci = new SimulatedPci()
    // As with QEMU's vectors=0: no MSI-X, the registers' list ends with the one of the interrupt's status.
    const status = { 112: 0, 128: 0x0310_0009, 132: 4, 136: 0x1800, 140: 4, 60: 0x010b }
    const space = pci.add(0x10, { ...NET, ...status })
    assert.deepEqual(openPciVirtio(pci, 0x10)?.interrupt, {
      tag: 'line',
      irq: 11,
      status: { base: 0xfe00_1800, lenBytes: 4 },
    })
    assert.equal(space.getUint16(4, true), 0x507)
    allowPciLine(pci, 0x10)
    assert.equal(space.getUint16(4, true), 0x107)
    // No pin, no line, or nowhere to see who it was.
    for (const change of [{ 60: 0x000b }, { 60: 0x0100 }, { 60: 0x01ff }, { 128: 0 }]) {
      pci.add(0x10, { ...NET, ...status, ...change })
      assert.throws(() => openPciVirtio(pci, 0x10), /has no MSI-X, and firmware gave it no interrupt line/)
    }
  })

  it('is reached in memory, within the buses that firmware names', () => {
    const accesses: string[] = []
    const ecam = createEcam(
      { base: 0xb000_0000, firstBus: 1, lastBus: 2 },
      (address) => accesses.push(`read ${address.toString(16)}`) + 6,
      (address, value) => accesses.push(`write ${address.toString(16)} ${value}`),
    )
    assert.deepEqual([ecam.read32(0x0fff, 0), ecam.read32(0x0300, 0)], [0xffff_ffff, 0xffff_ffff])
    ecam.write32(0x00ff, 4, 1)
    assert.equal(ecam.read32(0x0110, 0x40), 7)
    ecam.write32(0x02ff, 0xffc, 9)
    assert.deepEqual(accesses, ['read b0110040', 'write b02ffffc 9'])
  })

  it('ignores a capability that reaches beyond configuration space', () => {
    for (const capability of [0x11, 0x09, 0x0200_0009]) {
      const pci = new SimulatedPci()
      pci.add(0x10, { 0: 0x1041_1af4, 4: 0x10_0000, 52: 0xfc, 252: capability })
      assert.throws(() => openPciVirtio(pci, 0x10), /Cannot use virtio device at 0000:00:02.0: it lacks registers/)
    }
  })

  it('comes to an end whatever a device says', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { minLength: 62, maxLength: 62 }), (words) => {
        const pci = new SimulatedPci()
        pci.add(0x10, {
          ...Object.fromEntries(words.map((word, i) => [8 + 4 * i, word])),
          0: 0x1041_1af4,
          4: 0x10_0000,
        })
        try {
          const found = openPciVirtio(pci, 0x10)
          assert.ok(found !== undefined && Number.isSafeInteger(found.common.base + found.common.lenBytes))
        } catch (error) {
          assert.match(String(error), /Cannot use virtio device/)
        }
      }),
    )
  })
})
