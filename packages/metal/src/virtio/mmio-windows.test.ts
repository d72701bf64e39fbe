import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseMmioWindows } from './mmio-windows.ts'

it('mmio windows: reads the words that QEMU and Firecracker append, in order', () => {
  assert.deepEqual(
    parseMmioWindows('--port=80 virtio_mmio.device=512@0xfeb00e00:12 x virtio_mmio.device=4K@0xc0001000:5:1'),
    [
      { base: 0xfeb00e00, irq: 12 },
      { base: 0xc0001000, irq: 5 },
    ],
  )
})

it('mmio windows: leaves other words alone', () => {
  for (const text of [
    '',
    'virtio_mmio.device=',
    'virtio_mmio.device=4K@:5',
    'xvirtio_mmio.device=4K@0x1000:5',
    'virtio_mmio.device=4K@0x1000:5x',
  ]) {
    assert.deepEqual(parseMmioWindows(text), [], text)
  }
})
