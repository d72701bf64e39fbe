/** What TCP counts: traffic, lives of connections, and one counter for each reason to drop a segment. */
import type { Counters } from '@mirage-ts/core/metrics'

export const TCP_COUNTERS = [
  'rxSegments',
  'txSegments',
  /** Of those, frames of several segments that the network cuts. */
  'largeFrames',
  'activeOpens',
  'passiveOpens',
  /** Segments sent again, and why. */
  'timeouts',
  'fastRetransmits',
  /** Tail loss probes (RFC 8985 §7), and losses that one has repaired. */
  'tailProbes',
  'tailLosses',
  'retransmittedSegments',
  'probes',
  'windowUpdates',
  'keepAlives',
  'challengeAcks',
  /** Windows reduced because packets were marked instead of lost (RFC 3168). */
  'marksEchoed',
  /** Segments made smaller: an ICMP error said so, or long ones were lost again and again without one (RFC 4821). */
  'pathMtuReductions',
  'blackHoles',
  'resetsSent',
  'resetsReceived',
  /** Sends put off because the device had no room, and writes because the rings had used up their memory. */
  'noFrame',
  'noMemory',
  // Reasons to drop a segment.
  'truncated',
  'bad-data-offset',
  'bad-option',
  'bad-checksum',
  /** For no connection and no listener; answered with a reset unless it was one. */
  'no-connection',
  /** From or to an address that is not one host's (RFC 9293 §3.9.2.3, MUST-57), or from ourselves to ourselves. */
  'bad-address',
  /** SYNs beyond the backlog; those that were answered with a cookie, and the cookies that came back. */
  'backlog-full',
  'cookiesSent',
  'cookiesReceived',
  'too-many-connections',
  /** Outside the window. */
  'unacceptable',
  /** Acknowledges what was never sent, or what is too old (RFC 5961 §5). */
  'bad-ack',
  'no-ack',
  /** Of another turn of the sequence numbers, by its timestamp (RFC 7323 §5); and without the timestamp agreed on. */
  'paws',
  'no-timestamp',
  'reset-not-exact',
  'syn-in-connection',
  /** Text that did not fit: beyond the window, or one gap too many. */
  'text-dropped',
  /** ICMP errors for no connection, or for no octet in flight (RFC 5927 §4.1). */
  'bad-icmp',
] as const

export type TcpCounterName = (typeof TCP_COUNTERS)[number]
export type TcpCounters = Counters<TcpCounterName>
