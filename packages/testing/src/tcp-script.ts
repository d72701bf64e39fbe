/**
 * For tests: one machine and a peer that is a script of segments. `send` is a segment from the peer, `expect` looks at
 * the next one from us.
 *
 * All sequence numbers are relative: 0 is the SYN of whoever the number counts for.
 */
import assert from 'node:assert/strict'
import { ipv4 } from '@mirage-ts/core/addresses'
import { createFrame } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import { type Seq, seq, seqAdd, seqDiff } from '@mirage-ts/net/seq'
import { abort, close, receive, send, shutdown } from '@mirage-ts/net/tcp/calls'
import { type Connection, type ConnectionUser, STATE_NAMES } from '@mirage-ts/net/tcp/connection'
import type { Listener } from '@mirage-ts/net/tcp/listener'
import { TcpMachine } from '@mirage-ts/net/tcp/machine'
import { type TcpOptions, TcpSettings } from '@mirage-ts/net/tcp/options'
import {
  emitTcp,
  FLAG_ACK,
  FLAG_CWR,
  FLAG_ECE,
  FLAG_FIN,
  FLAG_PSH,
  FLAG_RST,
  FLAG_SYN,
  isTcpChecksumGood,
  NO_OPTION,
  parseTcp,
  setTcpChecksum,
  TcpHeader,
} from '@mirage-ts/net/wire/tcp'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ip } from '@mirage-ts/signatures/ip'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from './seeded-random.ts'

export const US = ipv4(10, 0, 0, 1)
export const PEER = ipv4(10, 0, 0, 2)
export const OUR_PORT = 80 as Port
export const PEER_PORT = 40000 as Port
const PEER_ISS = seq(0xfffffc00)
const HEADROOM = 34
const LETTERS = [
  ['S', FLAG_SYN],
  ['F', FLAG_FIN],
  ['R', FLAG_RST],
  ['P', FLAG_PSH],
  ['A', FLAG_ACK],
  ['U', 0x20],
  ['E', FLAG_ECE],
  ['C', FLAG_CWR],
] as const

/** A segment, either way. Flags are letters in the order `SFRPAUEC`; E and C are those of ECN. */
export interface Segment {
  readonly seq?: number
  /** Absent: no ACK flag is set. */
  readonly ack?: number
  readonly flags?: string
  readonly window?: number
  readonly text?: string | number
  /** Of the peer's SYNs 1460 unless they say otherwise; `NO_OPTION` for none. */
  readonly mss?: number
  readonly windowScale?: number
  /** SACK permitted; for SYNs. */
  readonly sackPermitted?: boolean
  /** Blocks `[start, end)`. */
  readonly sack?: readonly (readonly [number, number])[]
  /** Of ours: the octet of differentiated services and ECN. */
  readonly trafficClass?: number
  /** The packet says "congestion experienced"; of ours: agrees to be marked. */
  readonly marked?: boolean
  /** TSval and TSecr. */
  readonly timestamps?: readonly [number, number]
  /** Of ours: octets of text in each segment that the network is to cut; 0 when it is one segment. */
  readonly segmentBytes?: number
}

export interface Peer {
  /** What the peer's SYN says. Defaults: 1460, no scaling, 65535, no SACK, no timestamps. */
  readonly sackPermitted?: boolean
  readonly timestamps?: readonly [number, number]
  readonly mss?: number
  readonly windowScale?: number
  readonly window?: number
}

/** Text of a given length that differs from octet to octet; `from` is the relative number of the first. */
export function textOf(from: number, len: number): Uint8Array {
  return Uint8Array.from({ length: len }, (_, i) => ((from + i) * 31) & 255)
}

export class Script implements ConnectionUser {
  readonly machine: TcpMachine
  readonly settings: TcpSettings
  now = 1_000_000 as Instant
  /** Segments sent and not yet expected. */
  readonly sent: {
    readonly header: TcpHeader
    readonly text: Uint8Array
    readonly trafficClass: number
    readonly segmentBytes: number
  }[] = []
  /** Octets of an IP packet's payload that the path takes. */
  mtuBytes = 1480
  /** The connection of the script, once there is one. */
  connection: Connection | undefined
  /** EVENT_ bits the user was told since last asked. */
  events = 0
  /** Connections that were accepted. */
  acceptedCount = 0
  listener: Listener | undefined
  /** The device has no room. */
  isFull = false
  /** Destinations of which TCP has said that what it sends there seems to be lost. */
  readonly doubts: IpAddress[] = []
  /** Greatest payload of a large frame; 0: there are none. */
  largeBytes = 0
  lentCount = 0
  localPort = OUR_PORT
  private iss: Seq | undefined
  private readonly frame: Frame = createFrame(8192)

  constructor(options: TcpOptions = {}) {
    this.settings = new TcpSettings({ congestion: 'newreno', ecn: false, ...options })
    this.machine = new TcpMachine(
      { ip: this.ip(), random: new SeededRandom(3), log: NO_LOG.logger('tcp') },
      this.settings,
    )
  }

  // --- States to start in ---

  /** LISTEN on OUR_PORT. */
  static listening(options: TcpOptions = {}, backlogCount = 8): Script {
    const s = new Script(options)
    s.listener = s.machine.listen(OUR_PORT, backlogCount, (connection) => {
      s.acceptedCount++
      s.connection = connection
      connection.user = s
    })
    return s
  }

  static synSent(options: TcpOptions = {}): Script {
    const s = new Script(options)
    s.connect()
    s.expect({ flags: 'S', seq: 0 })
    return s
  }

  static synReceived(options: TcpOptions = {}, peer: Peer = {}): Script {
    const s = Script.listening(options)
    s.send({ flags: 'S', seq: 0, ...peer })
    s.expect({ flags: 'SA', seq: 0, ack: 1 })
    s.connection = s.machine.find(US, OUR_PORT, PEER, PEER_PORT)
    return s
  }

  static established(options: TcpOptions = {}, peer: Peer = {}): Script {
    const s = Script.synReceived(options, peer)
    const window = peer.windowScale === undefined ? peer.window : (peer.window ?? 65535) >> peer.windowScale
    s.send({
      seq: 1,
      ack: 1,
      ...(window === undefined ? {} : { window }),
      ...(peer.timestamps === undefined ? {} : { timestamps: peer.timestamps }),
    })
    s.expectState('ESTABLISHED')
    s.events = 0
    return s
  }

  static finWait1(options: TcpOptions = {}): Script {
    const s = Script.established(options)
    s.shutdown()
    s.expect({ flags: 'FA', seq: 1, ack: 1 })
    s.expectState('FIN-WAIT-1')
    return s
  }

  static finWait2(options: TcpOptions = {}): Script {
    const s = Script.finWait1(options)
    s.send({ seq: 1, ack: 2 })
    s.expectState('FIN-WAIT-2')
    return s
  }

  static closeWait(options: TcpOptions = {}): Script {
    const s = Script.established(options)
    s.send({ flags: 'FA', seq: 1, ack: 1 })
    s.expect({ flags: 'A', seq: 1, ack: 2 })
    s.expectState('CLOSE-WAIT')
    return s
  }

  static closing(options: TcpOptions = {}): Script {
    const s = Script.finWait1(options)
    s.send({ flags: 'FA', seq: 1, ack: 1 })
    s.expect({ flags: 'A', seq: 2, ack: 2 })
    s.expectState('CLOSING')
    return s
  }

  static lastAck(options: TcpOptions = {}): Script {
    const s = Script.closeWait(options)
    s.shutdown()
    s.expect({ flags: 'FA', seq: 1, ack: 2 })
    s.expectState('LAST-ACK')
    return s
  }

  static timeWait(options: TcpOptions = {}): Script {
    const s = Script.finWait2(options)
    s.send({ flags: 'FA', seq: 1, ack: 2 })
    s.expect({ flags: 'A', seq: 2, ack: 2 })
    s.expectState('TIME-WAIT')
    return s
  }

  // --- The script ---

  /** A segment from the peer; it acknowledges our SYN and has a window of 65535 unless it says otherwise. */
  send(segment: Segment, from: IpAddress = PEER, fromPort: Port = PEER_PORT): this {
    const h = new TcpHeader()
    const text = typeof segment.text === 'number' ? textOf(segment.seq ?? 0, segment.text) : encode(segment.text ?? '')
    h.srcPort = fromPort
    h.dstPort = this.localPort
    h.seq = seqAdd(PEER_ISS, segment.seq ?? 0)
    h.flags = flagsOf(segment.flags ?? (segment.ack === undefined ? '' : 'A'))
    if (segment.ack !== undefined) h.ack = seqAdd(this.iss ?? (0 as Seq), segment.ack)
    h.window = segment.window ?? 65535
    h.mss = segment.mss ?? ((h.flags & FLAG_SYN) === 0 ? NO_OPTION : 1460)
    h.windowScale = segment.windowScale ?? NO_OPTION
    h.isSackPermitted = segment.sackPermitted ?? false
    for (const [start, end] of segment.sack ?? []) {
      h.sackStarts[h.sackCount] = seqAdd(this.iss ?? (0 as Seq), start)
      h.sackEnds[h.sackCount++] = seqAdd(this.iss ?? (0 as Seq), end)
    }
    if (segment.timestamps !== undefined) {
      h.hasTimestamps = true
      h.tsVal = segment.timestamps[0]
      h.tsEcr = segment.timestamps[1]
    }
    const textAt = emitTcp(this.frame, 0, h)
    this.frame.u8.set(text, textAt)
    const end = textAt + text.length
    setTcpChecksum(this.frame, 0, end, from, US)
    this.machine.input(this.frame, 0, end, from, US, segment.marked ?? false, this.now)
    return this
  }

  /** The next segment from us, of which the fields given are compared; returns its text. */
  expect(wanted: Segment): Uint8Array {
    const next = this.sent.shift()
    assert.ok(next !== undefined, `expected ${JSON.stringify(wanted)}, nothing was sent`)
    const { header: h, text, trafficClass, segmentBytes } = next
    if ((h.flags & FLAG_SYN) !== 0) this.iss = h.seq
    const got: Record<string, unknown> = {}
    for (const key of Object.keys(wanted)) {
      if (key === 'seq') got[key] = seqDiff(h.seq, this.iss ?? (0 as Seq))
      else if (key === 'ack') got[key] = seqDiff(h.ack, PEER_ISS)
      else if (key === 'flags') got[key] = lettersOf(h.flags)
      else if (key === 'window') got[key] = h.window
      else if (key === 'mss') got[key] = h.mss
      else if (key === 'windowScale') got[key] = h.windowScale
      else if (key === 'sackPermitted') got[key] = h.isSackPermitted
      else if (key === 'timestamps') got[key] = [h.tsVal, h.tsEcr]
      else if (key === 'segmentBytes') got[key] = segmentBytes
      else if (key === 'trafficClass') got[key] = trafficClass
      else if (key === 'marked') got[key] = trafficClass === 2
      else if (key === 'sack') {
        const blocks = Array.from(h.sackStarts.subarray(0, h.sackCount), (start, i) => [
          seqDiff(start as Seq, PEER_ISS),
          seqDiff(h.sackEnds[i] as Seq, PEER_ISS),
        ])
        got[key] = blocks
      } else if (key === 'text') got[key] = typeof wanted.text === 'number' ? text.length : decode(text)
    }
    assert.deepEqual(got, { ...wanted })
    return text
  }

  expectNothing(): this {
    assert.deepEqual(
      this.sent.map(({ header, text }) => `${lettersOf(header.flags)} ${text.length}`),
      [],
    )
    return this
  }

  expectState(name: (typeof STATE_NAMES)[number]): this {
    assert.equal(STATE_NAMES[this.theConnection().state], name)
    return this
  }

  /** The connection is gone, with everything it had. */
  expectGone(failure?: string): this {
    this.expectState('CLOSED')
    assert.equal(this.theConnection().failure, failure)
    assert.equal(this.machine.connectionCount, 0)
    assert.equal(this.machine.nextDeadline(), Number.POSITIVE_INFINITY)
    assert.equal(this.listener?.halfOpenCount ?? 0, 0)
    assert.equal(this.theConnection().sendRing.capacityBytes, 0)
    return this
  }

  /** Lets time pass, serving every deadline on the way. */
  advance(us: number): this {
    const end = (this.now + us) as Instant
    for (let next = this.machine.nextDeadline(); next <= end; next = this.machine.nextDeadline()) {
      this.now = Math.max(this.now, next) as Instant
      this.machine.poll(this.now)
    }
    this.now = end
    this.machine.poll(end)
    return this
  }

  // --- The user ---

  connect(): void {
    const opened = this.machine.connect({ address: PEER, port: PEER_PORT }, this, this.now)
    if (typeof opened === 'string') assert.fail(opened)
    this.connection = opened
    this.localPort = opened.localPort
  }

  write(text: string | number): number {
    const octets = typeof text === 'number' ? textOf(this.writtenCount + 1, text) : encode(text)
    this.writtenCount += octets.length
    return send(this.machine, this.theConnection(), octets, 0, octets.length, this.now)
  }
  private writtenCount = 0

  read(maxBytes = 1 << 20): Uint8Array | undefined {
    return receive(this.machine, this.theConnection(), maxBytes, this.now)
  }

  readText(): string {
    const chunk = this.read()
    return chunk === undefined ? '' : decode(chunk)
  }

  shutdown(): void {
    shutdown(this.machine, this.theConnection(), this.now)
  }

  close(): void {
    close(this.machine, this.theConnection(), this.now)
  }

  abort(): void {
    abort(this.machine, this.theConnection(), 'closed', this.now)
  }

  onEvents(events: number): void {
    this.events |= events
  }

  theConnection(): Connection {
    assert.ok(this.connection !== undefined, 'no connection yet')
    return this.connection
  }

  private ip(): Ip {
    return {
      headroomBytes: HEADROOM,
      addresses: [US],
      mtuBytes: () => this.mtuBytes,
      source: () => US,
      isChecksumOffloaded: false,
      largeBytes: () => this.largeBytes,
      allocLarge: () => {
        if (this.largeBytes === 0 || this.isFull) return undefined
        this.lentCount++
        return createFrame(HEADROOM + this.largeBytes)
      },
      alloc: () => {
        if (this.isFull) return undefined
        this.lentCount++
        const frame = createFrame(HEADROOM + 1480)
        frame.u8.fill(0xa5)
        return frame
      },
      send: (frame, off, end, _protocol, src, dst, trafficClass = 0) => {
        this.lentCount--
        const header = new TcpHeader()
        assert.equal(parseTcp(frame, off, end, header), undefined)
        assert.ok(isTcpChecksumGood(frame, off, end, src, dst), 'checksum of a segment sent')
        const { segmentBytes } = frame
        if (segmentBytes === 0) assert.equal(frame.u8[off - 1], 0xa5, 'nothing is written before the header')
        const text = frame.u8.slice(header.payloadOff, header.payloadEnd)
        this.sent.push({ header, text, trafficClass, segmentBytes })
      },
      doubt: (dst) => void this.doubts.push(dst),
      free: () => this.lentCount--,
      listen: () => {},
      listenErrors: () => {},
      reportError: () => {},
    }
  }
}

function flagsOf(letters: string): number {
  return LETTERS.reduce((flags, [letter, flag]) => (letters.includes(letter) ? flags | flag : flags), 0)
}

function lettersOf(flags: number): string {
  return LETTERS.map(([letter, flag]) => ((flags & flag) !== 0 ? letter : '')).join('')
}

function encode(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

function decode(text: Uint8Array): string {
  return String.fromCharCode(...text)
}
