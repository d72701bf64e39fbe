/** Messages over TCP connections (RFC 7766): questions are answered in the order in which they come. */
import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import { seconds } from '@mirage-ts/core/time'
import type { Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { TcpListener } from '@mirage-ts/signatures/tcp'
import type { Time } from '@mirage-ts/signatures/time'
import { framed, MessageReader } from './framing.ts'
import { withTimeLimit } from './time-limit.ts'

/** RFC 7766 §6.2.3: "of the order of a few seconds" at least. */
const IDLE_TIME = seconds(10)
const WRITE_TIME = seconds(30)

/** The messages that answer `query`, each good until the next is taken; none ends the connection. */
export type TcpAnswerer = (query: Uint8Array, flow: TcpFlow) => Promise<Iterable<Uint8Array> | undefined>

export class TcpService {
  private readonly time: Time
  private readonly log: Logger
  private readonly answer: TcpAnswerer
  private readonly maxCount: number
  private readonly connections = new Map<TcpFlow, Promise<void>>()
  private listener: TcpListener | undefined

  /** At most `maxCount` connections at a time; one more is reset. */
  constructor({ time, log }: { readonly time: Time; readonly log: Logger }, maxCount: number, answer: TcpAnswerer) {
    this.time = time
    this.log = log
    this.maxCount = maxCount
    this.answer = answer
  }

  async listen(stack: Stack, port: Port): Promise<void> {
    this.listener = await stack.tcp.listen(port, (flow) => this.accept(flow))
  }

  /** Stops listening and resets every connection; resolves when all have ended. */
  async close(): Promise<void> {
    this.listener?.close()
    for (const flow of this.connections.keys()) flow.abort()
    await Promise.all(this.connections.values())
  }

  private accept(flow: TcpFlow): void {
    if (this.connections.size >= this.maxCount) {
      flow.abort()
      return
    }
    const serving = this.serve(flow).then(() => void this.connections.delete(flow))
    this.connections.set(flow, serving)
  }

  /** Answers what comes until the connection ends or is idle for too long. Never rejects. */
  private async serve(flow: TcpFlow): Promise<void> {
    const { time } = this
    const reader = new MessageReader(flow)
    try {
      for (;;) {
        const query = await withTimeLimit(time, IDLE_TIME, (signal) => reader.next({ signal }))
        const answers = query === undefined ? undefined : await this.answer(query, flow)
        if (answers === undefined) break
        for (const answer of answers) {
          const octets = framed(answer)
          await withTimeLimit(time, WRITE_TIME, (signal) => flow.write(octets, { signal }))
        }
      }
      await this.closeFlow(flow)
    } catch (error) {
      const text = `${endpointToString(flow.remote)}: ${messageOf(error)}`
      if (error instanceof NetError) this.log.debug(text)
      else this.log.error(`Cannot answer ${text}`)
      if (error instanceof NetError && error.code === 'timed-out') await this.closeFlow(flow)
      else flow.abort()
    }
  }

  private async closeFlow(flow: TcpFlow): Promise<void> {
    await withTimeLimit(this.time, WRITE_TIME, (signal) => {
      // Ends the close of a peer that takes no octets any more.
      signal.addEventListener('abort', () => flow.abort())
      return flow.close()
    })
  }
}
