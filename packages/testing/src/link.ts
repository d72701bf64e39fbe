/** The smallest network a layer can be tested on: one station of ours and one without a stack. */
import { parseMac } from '@mirage-ts/core/addresses'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Network } from '@mirage-ts/signatures/network'
import { MockTime } from './mock-time.ts'
import { RawPeer } from './raw-peer.ts'
import { VirtualSwitch } from './virtual-switch.ts'

/** `02:00:00:00:00:0N`, locally administered. */
export function testMac(n: number): Mac {
  return parseMac(`02:00:00:00:00:${n.toString(16).padStart(2, '0')}`) as Mac
}

/** Our station is `testMac(2)`, the peer `testMac(1)`. */
export function createLink(): { readonly time: MockTime; readonly network: Network; readonly peer: RawPeer } {
  const time = new MockTime()
  const lan = new VirtualSwitch(time)
  const network = lan.port(testMac(2))
  return { time, network, peer: new RawPeer(lan.port(testMac(1))) }
}
