/** The goldens are segments of Linux 6.x between two network namespaces (10.0.0.2 connects to 10.0.0.1), by tcpdump. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { createFrame, frameOf, fromHex, toHex } from '@mirage-ts/core/bytes'
import type { Frame } from '@mirage-ts/signatures/bytes'
import {
  emitTcp,
  FLAG_ACK,
  FLAG_FIN,
  FLAG_PSH,
  FLAG_RST,
  FLAG_SYN,
  isTcpChecksumGood,
  NO_OPTION,
  parseTcp,
  setTcpChecksum,
  TCP_HEADER_LEN,
  TcpHeader,
  tcpHeaderLen,
} from './tcp.ts'

const SERVER = ipv4(10, 0, 0, 1)
const CLIENT = ipv4(10, 0, 0, 2)

interface Golden {
  readonly name: string
  readonly hex: string
  readonly fromServer?: boolean
  readonly fields: Partial<Record<keyof TcpHeader, number | boolean>>
}

/** With `net.ipv4.tcp_timestamps=0` and `tcp_sack=0`: these use no option that we do not. */
const PLAIN: readonly Golden[] = [
  {
    name: 'SYN',
    hex: 'cab0 1e61 4fe2 b263 0000 0000 7002 faf0 89ca 0000 0204 05b4 0103 030a',
    fields: {
      srcPort: 51888,
      dstPort: 7777,
      seq: 1340256867,
      flags: FLAG_SYN,
      window: 64240,
      mss: 1460,
      windowScale: 10,
    },
  },
  {
    name: 'SYN,ACK',
    fromServer: true,
    hex: '1e61 cab0 f18a 3b5b 4fe2 b264 7012 faf0 5cd3 0000 0204 05b4 0103 030a',
    fields: { seq: 4052368219, ack: 1340256868, flags: FLAG_SYN | FLAG_ACK, mss: 1460, windowScale: 10 },
  },
  {
    name: 'ACK',
    hex: 'cab0 1e61 4fe2 b264 f18a 3b5c 5010 003f 8353 0000',
    fields: { flags: FLAG_ACK, window: 63, mss: NO_OPTION, windowScale: NO_OPTION },
  },
  {
    name: 'text',
    hex: 'cab0 1e61 4fe2 b264 f18a 3b5c 5018 003f a476 0000 7069 6e67',
    fields: { flags: FLAG_PSH | FLAG_ACK, payloadOff: 20, payloadEnd: 24 },
  },
  {
    name: 'FIN',
    fromServer: true,
    hex: '1e61 cab0 f18a 3b60 4fe2 b268 5011 003f 834a 0000',
    fields: { flags: FLAG_FIN | FLAG_ACK },
  },
  {
    name: 'RST',
    fromServer: true,
    hex: '0009 971a 0000 0000 cfa2 75c7 5014 0000 bf40 0000',
    fields: { flags: FLAG_RST | FLAG_ACK, seq: 0, ack: 3483530695, window: 0 },
  },
]

/** With timestamps and SACK permitted, as Linux is by default. */
const FULL: readonly Golden[] = [
  {
    name: 'SYN with all options',
    hex: 'dccc 1e61 6ad5 6331 0000 0000 a002 faf0 59f6 0000 0204 05b4 0402 080a b9bf 5c1f 0000 0000 0103 030a',
    fields: {
      flags: FLAG_SYN,
      mss: 1460,
      windowScale: 10,
      isSackPermitted: true,
      hasTimestamps: true,
      tsVal: 0xb9bf5c1f,
      tsEcr: 0,
      payloadOff: 40,
      payloadEnd: 40,
    },
  },
  {
    name: 'text with timestamps',
    hex: 'dccc 1e61 6ad5 6332 ba55 8ca9 8018 003f cc26 0000 0101 080a b9bf 5c24 8073 10ec 7069 6e67',
    fields: {
      flags: FLAG_PSH | FLAG_ACK,
      mss: NO_OPTION,
      tsVal: 0xb9bf5c24,
      tsEcr: 0x807310ec,
      payloadOff: 32,
      payloadEnd: 36,
    },
  },
]

function addressesOf(golden: Golden): readonly [typeof SERVER, typeof SERVER] {
  return golden.fromServer === true ? [SERVER, CLIENT] : [CLIENT, SERVER]
}

/** The golden at an odd offset of a larger buffer, as it would lie behind other headers. */
function framed(hex: string): { frame: Frame; off: number; end: number } {
  const octets = fromHex(hex)
  const frame = createFrame(octets.length + 20)
  frame.u8.fill(0xee)
  frame.u8.set(octets, 7)
  return { frame, off: 7, end: 7 + octets.length }
}

for (const golden of [...PLAIN, ...FULL]) {
  test(`tcp wire: reads Linux's ${golden.name}`, () => {
    const octets = fromHex(golden.hex)
    const header = new TcpHeader()
    assert.equal(parseTcp(frameOf(octets), 0, octets.length, header), undefined)
    for (const [key, value] of Object.entries(golden.fields)) {
      // Numbers of 32 bits are kept with a sign (seq.ts).
      assert.equal(header[key as keyof TcpHeader], typeof value === 'number' ? value | 0 : value, key)
    }
  })

  test(`tcp wire: the checksum of Linux's ${golden.name} is right, and wrong with any bit flipped (utcp #30: not verified)`, () => {
    const { frame, off, end } = framed(golden.hex)
    const [src, dst] = addressesOf(golden)
    assert.ok(isTcpChecksumGood(frame, off, end, src, dst))
    for (let bit = 0; bit < 8 * (end - off); bit++) {
      const at = off + (bit >> 3)
      frame.u8[at] = (frame.u8[at] as number) ^ (1 << (bit & 7))
      assert.ok(!isTcpChecksumGood(frame, off, end, src, dst))
      frame.u8[at] = (frame.u8[at] as number) ^ (1 << (bit & 7))
    }
    assert.ok(!isTcpChecksumGood(frame, off, end, src, ipv4(10, 0, 0, 3)))
  })

  test(`tcp wire: every truncation of Linux's ${golden.name} is safe`, () => {
    const { frame, off, end } = framed(golden.hex)
    const header = new TcpHeader()
    const headerEnd = off + ((frame.u8[off + 12] as number) >> 4) * 4
    for (let cut = off; cut < end; cut++) {
      assert.equal(parseTcp(frame, off, cut, header), cut < headerEnd ? 'truncated' : undefined, `cut at ${cut - off}`)
    }
  })
}

for (const golden of [...PLAIN, ...FULL]) {
  test(`tcp wire: writes ${golden.name} as Linux does, over a dirty buffer`, () => {
    const { frame, off, end } = framed(golden.hex)
    const header = new TcpHeader()
    assert.equal(parseTcp(frame, off, end, header), undefined)
    const out = createFrame(100)
    out.u8.fill(0xa5)
    const textAt = 11 + emitTcp(out, 11, header)
    assert.equal(textAt, 11 + tcpHeaderLen(header))
    out.u8.set(frame.u8.subarray(header.payloadOff, header.payloadEnd), textAt)
    const outEnd = textAt + header.payloadEnd - header.payloadOff
    setTcpChecksum(out, 11, outEnd, ...addressesOf(golden))
    assert.equal(toHex(out.u8, 11, outEnd), golden.hex.replaceAll(' ', ''))
    assert.equal(out.u8[10], 0xa5)
    assert.equal(out.u8[outEnd], 0xa5)
  })
}

/** A header with these options, padded with END. */
function withOptions(hex: string): string | undefined {
  const options = fromHex(hex)
  const octets = new Uint8Array(TCP_HEADER_LEN + Math.ceil(options.length / 4) * 4)
  octets[12] = (octets.length / 4) << 4
  octets.set(options, TCP_HEADER_LEN)
  return parseTcp(frameOf(octets), 0, octets.length, new TcpHeader())
}

test('tcp wire: truncated: shorter than a header', () => {
  assert.equal(parseTcp(createFrame(19), 0, 19, new TcpHeader()), 'truncated')
  assert.equal(parseTcp(createFrame(0), 0, 0, new TcpHeader()), 'truncated')
})

test('tcp wire: bad-data-offset: below 5 (utcp: segment with data offset < 5)', () => {
  for (let words = 0; words < 5; words++) {
    const frame = createFrame(40)
    frame.u8[12] = words << 4
    assert.equal(parseTcp(frame, 0, 40, new TcpHeader()), 'bad-data-offset')
  }
})

test('tcp wire: truncated: data offset beyond the segment', () => {
  const frame = createFrame(40)
  frame.u8[12] = 15 << 4
  assert.equal(parseTcp(frame, 0, 40, new TcpHeader()), 'truncated')
})

test('tcp wire: bad-option: length 0 or 1, beyond the header, cut off, or wrong for its kind (RFC 9293 §3.2, MUST-7)', () => {
  for (const hex of [
    '0200',
    '0201',
    'fd00',
    'fd05 0000',
    '0101 0102',
    '0203 0500',
    '0205 05b4 00',
    '0302',
    '0304 0100',
    '0403 01',
    '0809 0000 0000 0000 00',
    '050b 0000 0001 0000 0002 00',
    '0502 050a 0000',
  ]) {
    assert.equal(withOptions(hex), 'bad-option', hex)
  }
})

test('tcp wire: unknown options are stepped over, nothing is read after the end of the list', () => {
  for (const hex of ['fd04 aabb', 'fe02 0101', '00ff 0000', '0101 0101', '1e06 0000 0000 0204 05b4']) {
    assert.equal(withOptions(hex), undefined, hex)
  }
})

test('tcp wire: SACK blocks, one to four, with and without timestamps, survive a round trip (RFC 2018 §3)', () => {
  for (let count = 1; count <= 4; count++) {
    for (const hasTimestamps of [false, true]) {
      if (hasTimestamps && count === 4) continue
      const header = new TcpHeader()
      Object.assign(header, { flags: FLAG_ACK, hasTimestamps, tsVal: 7, tsEcr: 9, sackCount: count })
      for (let i = 0; i < count; i++) {
        header.sackStarts[i] = 0xfffffff0 + i
        header.sackEnds[i] = 100 + i
      }
      const frame = createFrame(60)
      const end = emitTcp(frame, 0, header)
      assert.equal(end, tcpHeaderLen(header))
      const back = new TcpHeader()
      assert.equal(parseTcp(frame, 0, end, back), undefined)
      assert.equal(back.sackCount, count)
      assert.equal(back.hasTimestamps, hasTimestamps)
      assert.deepEqual(back.sackStarts.slice(0, count), header.sackStarts.slice(0, count))
      assert.deepEqual(back.sackEnds.slice(0, count), header.sackEnds.slice(0, count))
    }
  }
})

test('tcp wire: a window scale above 14 is 14 (RFC 7323 §2.3)', () => {
  const octets = fromHex('0001 0002 0000 0000 0000 0000 6002 0000 0000 0000 0303 ff00')
  const header = new TcpHeader()
  assert.equal(parseTcp(frameOf(octets), 0, octets.length, header), undefined)
  assert.equal(header.windowScale, 14)
})

test('tcp wire: checksum over an IPv6 pseudo-header (RFC 8200 §8.1)', () => {
  const src = 0xfe800000000000000000000000000001n as never
  const dst = 0xfe80000000000000fffffffffffffffen as never
  const { frame, off, end } = framed(PLAIN[3]?.hex ?? '')
  frame.dv.setUint16(off + 16, 0)
  setTcpChecksum(frame, off, end, src, dst)
  assert.ok(isTcpChecksumGood(frame, off, end, src, dst))
  assert.ok(!isTcpChecksumGood(frame, off, end, src, 0xfe80000000000000fffffffffffffffdn as never))
})
