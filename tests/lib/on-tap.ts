/** An example on one end of a tap, with Linux's stack and programs on the other: what many suites of whole programs stand on. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, before } from 'node:test'
import { findToolchain } from '@mirage-ts/cli/toolchain'
import { build, copyExample, Running } from './mirage.ts'
import { Namespace } from './namespace.ts'
import { stop } from './processes.ts'

export interface OnTapOptions {
  /** Arguments of `mirage build`. */
  readonly build: readonly string[]
  /** More of `mirage run`, before the keys. */
  readonly run?: readonly string[]
  /** Boot keys; default: the address {@link OURS}. */
  readonly keys?: readonly string[]
  /** What it prints once it runs. */
  readonly ready: RegExp
  /** It is given a stream socket, the other end of which is relayed to the tap. */
  readonly isRelayed?: boolean
}

/** The address of the unikernel, beside Linux's 10.0.0.1. */
export const OURS = '10.0.0.2'

/** Registers what builds and starts the example before the tests of the suite it is called in, and ends all after them. */
export function exampleOnTap(example: string, options: OnTapOptions): OnTap {
  const { folder, remove } = copyExample(example)
  const suite = new OnTap()
  before(() => suite.start(folder, options))
  after(async () => {
    await suite.end()
    remove()
  })
  return suite
}

/** Complete once the tests run. */
export class OnTap {
  private network: Namespace | undefined
  private program: Running | undefined
  private relay: ChildProcess | undefined

  /** Where Linux's end is, `tap0` with the address 10.0.0.1/24. */
  get namespace(): Namespace {
    if (this.network === undefined) throw new TypeError('Cannot use the namespace before the tests run')
    return this.network
  }

  get unikernel(): Running {
    if (this.program === undefined) throw new TypeError('Cannot use the unikernel before the tests run')
    return this.program
  }

  /** Ends the relay between the stream socket and the tap. */
  cut(): void {
    this.relay?.kill()
  }

  async start(
    folder: string,
    { build: how, run = [], keys = [`--ipv4=${OURS}/24`], ready, isRelayed }: OnTapOptions,
  ): Promise<void> {
    const namespace = new Namespace()
    this.network = namespace
    namespace.addTap('tap0', '10.0.0.1/24')
    await build(folder, ...how)
    if (isRelayed !== true) {
      const args = ['--net', 'tap:tap0', ...run, '--', ...keys]
      this.program = await Running.start(folder, args, { ready, namespace: namespace.name })
      return
    }
    const socket = join(folder, 'ethernet.sock')
    const { toolchain } = await findToolchain()
    this.relay = namespace.start([toolchain.tap, 'tap0', socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(this.relay.stdout as Readable, 'data')
    this.program = await Running.start(folder, ['--net', `stream:${socket}`, ...run, '--', ...keys], { ready })
  }

  async end(): Promise<void> {
    await this.program?.stop()
    if (this.relay !== undefined) await stop(this.relay)
    this.network?.remove()
  }
}
