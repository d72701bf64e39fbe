// The native sum equals a plain one, whatever the length and alignment.

const reference = (bytes, off, end, initial) => {
  let sum = initial
  for (let i = off; i < end; i += 2) sum += (bytes[i] << 8) | (i + 1 < end ? bytes[i + 1] : 0)
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return sum
}

const buffer = new ArrayBuffer(4096)
const bytes = new Uint8Array(buffer)
native.entropyFill(bytes, 0, bytes.length)

const compare = (view, off, end, initial) => {
  const wanted = reference(view, off, end, initial)
  const got = native.checksum(view, off, end, initial)
  check(got === wanted, `[${off}, ${end}) of ${view.length} + ${initial}: got ${got}, wanted ${wanted}`)
}

for (let off = 0; off < 16; off++) for (let len = 0; len <= 80; len++) compare(bytes, off, off + len, 0)
for (let i = 0; i < 300; i++) {
  const start = Math.floor(Math.random() * 100)
  const view = new Uint8Array(buffer, start, 1600)
  const off = Math.floor(Math.random() * 800)
  const end = off + Math.floor(Math.random() * 800)
  compare(view, off, end, Math.floor(Math.random() * 2 ** 32))
}
bytes.fill(0xff)
for (const len of [0, 1, 2, 7, 8, 9, 31, 32, 33, 1500, 4096])
  for (const initial of [0, 1, 0xffff, 0x10000, 0xffffffff, 0x1_fffe_0000, 2 ** 50]) compare(bytes, 0, len, initial)
bytes.fill(0)
compare(bytes, 0, 4096, 0)

// Two parts give the sum of the whole when the first has an even length.
native.entropyFill(bytes, 0, 4096)
check(
  native.checksum(bytes, 1000, 4095, native.checksum(bytes, 0, 1000, 0)) === native.checksum(bytes, 0, 4095, 0),
  'partial sums',
)

const from = native.monotonicUs()
for (let i = 0; i < 1000; i++) native.checksum(bytes, 0, 1460, 0)
print(`1460 bytes in ${(native.monotonicUs() - from) / 1000} us`)
success()
