/** The network interfaces of a sealed process, in the order in which it was given them. */
import { netCount, netHasOffload, netHeadroom, netOpen, netReceive, netSend } from 'mirage:native'
import { readMac } from '@mirage-ts/core/addresses'
import { frameOf } from '@mirage-ts/core/bytes'
import { NO_LOG } from '@mirage-ts/core/log'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Log } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import type { Random } from '@mirage-ts/signatures/random'
import { machine } from '../machine.ts'
import { createHostNetwork } from './net.ts'

export interface NetworkOptions {
  /** Which interface, from 0. */
  readonly index: number
  /** Default: a random locally administered address. */
  readonly mac?: Mac
}

/** Starts an interface. Throws when the process was not given it. */
export function createNetwork(
  { random, log = NO_LOG }: { readonly random: Random; readonly log?: Log },
  { index, mac = randomMac(random) }: NetworkOptions,
): Network {
  if (index >= netCount) {
    throw new Error(`Cannot start network ${index}: this process was given ${netCount} (mirage run --net tap:NAME)`)
  }
  netOpen(index)
  const device = {
    headroomBytes: netHeadroom,
    hasOffload: netHasOffload(index),
    receive: (bytes: Uint8Array, spans: Uint32Array, longest: number) => netReceive(index, bytes, spans, longest),
    send: (bytes: Uint8Array, spans: Uint32Array, count: number) => netSend(index, bytes, spans, count),
  }
  const network = createHostNetwork({ device, log: log.logger('network') }, { mac, name: `network ${index}` })
  machine.add(network)
  return network
}

/** A random address with the local bit set and the group bit clear (IEEE 802 §8.4). */
function randomMac(random: Random): Mac {
  const { u8, dv } = frameOf(new Uint8Array(6))
  random.fill(u8, 0, 6)
  dv.setUint8(0, (dv.getUint8(0) & 0xfc) | 0x02)
  return readMac(dv, 0)
}
