/** A connection of a server below its messages: what arrives, what is sent, and how long the client may take for it. */
import { promptFlow } from '@mirage-ts/core/prompt-flow'
import { after, seconds } from '@mirage-ts/core/time'
import type { PromptFlow, TcpFlow } from '@mirage-ts/signatures/flow'
import type { Alarm, Duration, Instant } from '@mirage-ts/signatures/time'
import type { ConnectionContext } from './connection.ts'
import type { Desk } from './desk.ts'
import { FlowInput } from './input.ts'

/** What a client may still send, once we have answered for the last time, before it is reset. */
const LINGER_BYTES = 1024 * 1024
const LINGER_TIME = seconds(2)

/** A deadline that is not expected to come; an alarm that is put off costs less than one that is cleared and set again. */
const SOME_DAY = (2 ** 52) as Instant

/** What is late: the client with what it is to send or take, the handler with an answer, a client that waits with a request. */
export type Late = 'client' | 'answer' | 'request'

/** Who is told what was too slow. */
export interface LinkUser {
  onLate(what: Late): void
}

export class Link {
  readonly flow: TcpFlow
  readonly input: FlowInput
  /** We ended the connection ourselves: calls that fail then are no news. */
  isEnding = false
  private readonly prompt: PromptFlow | undefined
  private readonly context: ConnectionContext
  /** Rings when somebody is too slow. */
  private readonly alarm: Alarm
  private late: Late = 'client'
  /** The last write, until it has settled. */
  private writing: Promise<void> | undefined = undefined

  constructor(flow: TcpFlow, context: ConnectionContext, user: LinkUser) {
    this.flow = flow
    this.prompt = promptFlow(flow)
    this.input = new FlowInput(flow)
    this.context = context
    this.alarm = context.time.alarm(() => user.onLate(this.late))
  }

  /** Gives `duration` from now for what comes next; afterwards the user hears that it is late, unless something else is said. */
  allow(duration: Duration, what: Late): void {
    this.late = what
    this.alarm.set(after(this.context.clock.now(), duration))
  }

  /** Sets no limit to what comes next. */
  rest(): void {
    this.alarm.set(SOME_DAY)
  }

  /** Nothing comes next. */
  restForEver(): void {
    this.alarm.clear()
  }

  /** Sends what lies on `desk`; a promise when some of that has to wait. */
  send(desk: Desk): Promise<void> | undefined {
    const rest = desk.send(this.writing === undefined ? this.prompt : undefined)
    return rest === undefined ? undefined : this.write(rest)
  }

  /** Writes behind what is being written: 100 (Continue) may be, when a response begins. */
  async write(octets: Uint8Array): Promise<void> {
    this.allow(this.context.limits.writeTime, 'client')
    const writing =
      this.writing === undefined ? this.flow.write(octets) : this.writing.then(() => this.flow.write(octets))
    this.writing = writing
    await writing
    if (this.writing === writing) this.writing = undefined
    // The next part may take its time: that is not for the client to answer for.
    this.rest()
  }

  /** Resolves when all that was written has arrived; never rejects. */
  close(): Promise<void> {
    this.allow(this.context.limits.writeTime, 'client')
    return this.flow.close()
  }

  /**
   * Closes after an answer to a client that may still be sending (RFC 9112 §9.6): octets that arrive at a closed
   * connection are answered with a reset, and a reset may destroy the answer before it is read.
   */
  async linger(): Promise<void> {
    const { flow, input } = this
    flow.shutdownWrite()
    this.allow(LINGER_TIME, 'request')
    let readBytes = 0
    while (readBytes < LINGER_BYTES && (await input.fill())) readBytes += input.take(LINGER_BYTES).length
    await this.close()
  }

  /** Ends the connection in an orderly way, and with it the call or the wake that waits for octets. */
  end(): void {
    this.isEnding = true
    void this.flow.close()
  }
}
