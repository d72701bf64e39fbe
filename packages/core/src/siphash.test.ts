import assert from 'node:assert/strict'
import { it } from 'node:test'
import { toHex } from './bytes.ts'
import { sipHash24 } from './siphash.ts'

it('SipHash-2-4 gives what its authors published', () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i)
  const input = Uint8Array.from({ length: 15 }, (_, i) => i)
  const out = new Uint8Array(8)
  sipHash24(key, input, 15, out)
  assert.equal(toHex(out), 'e545be4961ca29a1')
  sipHash24(key, input, 0, out)
  assert.equal(toHex(out), '310e0edd47db6f72')
})
