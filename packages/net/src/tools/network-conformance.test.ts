/** The networks of this package, and that of the tests, by the suite of all networks. */
import { test } from 'node:test'
import { ms } from '@mirage-ts/core/time'
import type { Network } from '@mirage-ts/signatures/network'
import { type NetworkUnderTest, runNetworkConformance } from '@mirage-ts/testing/conformance/network-suite'
import { createLink } from '@mirage-ts/testing/link'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createPlainNetwork } from '../segmentation.ts'
import { createVlanTrunk } from '../vlan.ts'
import { createFaultyNetwork } from './faults.ts'
import { ObservedNetwork } from './observed.ts'

const TAG = Uint8Array.of(0x81, 0, 0, 7)

/** `wrap` over a port of a switch; on the wire its frames have `tagLen` octets behind the addresses. */
function onSwitch(wrap: (network: Network, link: ReturnType<typeof createLink>) => Network, isTagged = false) {
  return (): NetworkUnderTest => {
    const link = createLink()
    const { peer, time } = link
    return {
      network: wrap(link.network, link),
      sent: () =>
        peer.take().map((bytes) => (isTagged ? Uint8Array.of(...bytes.slice(0, 12), ...bytes.slice(16)) : bytes)),
      deliver: (bytes) =>
        peer.send(isTagged ? Uint8Array.of(...bytes.slice(0, 12), ...TAG, ...bytes.slice(12)) : bytes),
      settle: () => time.advance(ms(1)),
    }
  }
}

runNetworkConformance(
  test,
  'virtual switch',
  onSwitch((network) => network),
)
runNetworkConformance(
  test,
  'plain network',
  onSwitch((network) => createPlainNetwork({ network })),
)
runNetworkConformance(
  test,
  'observed, as by captures and the tracer',
  onSwitch((network) => new ObservedNetwork(network, () => {})),
)
runNetworkConformance(
  test,
  'fault injector without faults',
  onSwitch((network, { time }) => createFaultyNetwork({ network, clock: time, time, random: new SeededRandom(1) }, {})),
)
runNetworkConformance(
  test,
  'vlan',
  onSwitch((network) => createVlanTrunk({ network }).vlan(7), true),
)
