/** ICMP errors about segments of ours: RFC 9293 §3.9.2.2, RFC 1122 §4.2.3.9, hardened as in RFC 5927. */
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { IpErrorKind } from '@mirage-ts/signatures/ip'
import type { Instant } from '@mirage-ts/signatures/time'
import { seqLe, seqLt } from '../seq.ts'
import { QUOTED_LEN, quotedDstPort, quotedSeq, quotedSrcPort } from '../wire/tcp.ts'
import { SYN_SENT } from './connection.ts'
import type { TcpMachine } from './machine.ts'
import { pathMssChanged } from './path-mtu.ts'

/** An error has arrived that quotes `[off, end)` of a segment of ours from `src` to `dst`. */
export function icmpErrorArrives(
  m: TcpMachine,
  kind: IpErrorKind,
  frame: Frame,
  off: number,
  end: number,
  src: IpAddress,
  dst: IpAddress,
  now: Instant,
): void {
  const c = end - off < QUOTED_LEN ? undefined : m.find(src, quotedSrcPort(frame, off), dst, quotedDstPort(frame, off))
  // RFC 5927 §4.1: the number quoted must be that of an octet in flight, or anybody could have made the error up.
  const number = c === undefined ? undefined : quotedSeq(frame, off)
  if (c === undefined || number === undefined || !seqLe(c.sndUna, number) || !seqLt(number, c.sndNxt)) {
    m.counters['bad-icmp']++
    return
  }
  switch (kind) {
    case 'protocol-unreachable':
    case 'port-unreachable':
      // RFC 5927 §5.2: a hard error is one only while connecting; a synchronised connection has other means.
      if (c.state === SYN_SENT) {
        m.fail(c, 'connection-refused', 'icmp', now)
        m.settle(c, now)
      } else {
        c.softError = 'connection-refused'
      }
      return
    case 'network-unreachable':
    case 'host-unreachable':
      c.softError = 'host-unreachable'
      return
    case 'fragmentation-needed':
      // The network layer has noted what the path takes. RFC 5927 §7.2 would have us wait for a timeout too; the check of the
      // number quoted, and that the size only ever goes down to what the layer allows, must do.
      pathMssChanged(m, c)
      m.settle(c, now)
      return
    default:
      // Time exceeded and the rest are soft.
      return
  }
}
