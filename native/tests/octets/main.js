// Octets as text and back, their folded hash and comparison: the same as plain versions, whatever length and alignment.

const bytes = new Uint8Array(4096)
native.entropyFill(bytes, 0, bytes.length)

const lower = (octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet)

const hashOf = (u8, off, end, seed) => {
  let hash = seed | 0
  for (let at = off; at < end; at += 4) {
    let word = 0
    for (let i = at; i < at + 4; i++) word = (word << 8) | (i < end ? lower(u8[i]) : 0)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash ^ (hash >>> 13)
}

const textOf = (u8, off, end) => {
  let text = ''
  for (let i = off; i < end; i++) text += String.fromCharCode(u8[i])
  return text
}

for (let i = 0; i < 200; i++) {
  const off = Math.floor(Math.random() * 200)
  const end = off + Math.floor(Math.random() * (i % 3 === 0 ? 300 : 12))
  const ascii = i % 2 === 0
  const u8 = ascii ? bytes.map((octet) => octet & 0x7f) : bytes
  const seed = Math.floor(Math.random() * 2 ** 32)
  check(native.foldedHash(u8, off, end, seed) === hashOf(u8, off, end, seed), `hash of [${off}, ${end})`)

  const text = textOf(u8, off, end)
  check(native.octetsToText(u8, off, end) === text, `text of [${off}, ${end})`)
  const written = new Uint8Array(400)
  check(native.writeText(written, 3, text) === 3 + end - off, 'where text ends')
  for (let at = 0; at < end - off; at++) check(written[3 + at] === u8[off + at], `octet ${at} of text`)

  check(native.octetsEqual(u8, off, written, 3, end - off), `[${off}, ${end}) copied`)
  if (end > off) {
    written[3 + Math.floor(Math.random() * (end - off))] ^= 0x20
    check(!native.octetsEqual(u8, off, written, 3, end - off), `[${off}, ${end}) with a bit changed`)
  }

  const copied = new Uint8Array(400)
  native.octetsCopy(u8, off, end, copied, 7)
  check(native.octetsEqual(u8, off, copied, 7, end - off) && copied[6] === 0 && copied[7 + end - off] === 0, 'a copy')
  native.octetsCopy(copied, 7, 7 + end - off, copied, 5)
  check(native.octetsEqual(u8, off, copied, 5, end - off), 'a copy over itself')

  const other = new Uint8Array(400)
  for (let at = off; at < end; at++) other[at - off + 1] = lower(u8[at])
  check(native.foldedEqual(u8, off, other, 1, end - off), `[${off}, ${end}) with small letters`)
  if (end > off) {
    const at = 1 + Math.floor(Math.random() * (end - off))
    other[at] ^= 0x80
    check(!native.foldedEqual(u8, off, other, 1, end - off), `[${off}, ${end}) with another octet`)
  }
}

check(native.octetsToText(Uint8Array.of(0x61, 0xff)) === 'a\xff', 'the whole view')
const wide = new Uint8Array(3)
check(native.writeText(wide, 0, '\u0141\u20ac') === 2 && wide[0] === 0x41 && wide[1] === 0xac, 'low octets')

const throws = (name, action) => {
  try {
    action()
  } catch (error) {
    check(error.constructor.name === name, `${error}: expected a ${name}`)
    return
  }
  check(false, `expected a ${name}`)
}
throws('RangeError', () => native.writeText(wide, 1, 'abc'))
throws('RangeError', () => native.writeText(wide, 1, 'ab\xff'))
throws('RangeError', () => native.writeText(wide, 4, ''))
throws('TypeError', () => native.writeText(wide, 0, 5))
throws('TypeError', () => native.writeText([], 0, ''))
throws('RangeError', () => native.foldedEqual(wide, 2, wide, 0, 2))
throws('RangeError', () => native.foldedEqual(wide, 0, wide, 2, 2))
throws('RangeError', () => native.octetsCopy(wide, 0, 3, wide, 1))
throws('RangeError', () => native.octetsCopy(wide, 0, 4, wide, 0))
throws('TypeError', () => native.octetsCopy(wide, 0, 1, [], 0))
throws('TypeError', () => native.foldedHash(new Uint16Array(3), 0, 1, 0))
success()
