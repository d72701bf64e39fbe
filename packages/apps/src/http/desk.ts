/** Where a connection works while it needs not wait: all of a server share the memory, one has it at a time. */
import { octetsCopy, writeText } from '@mirage-ts/core/octets'
import type { PromptFlow } from '@mirage-ts/signatures/flow'

const INPUT_LEN = 8 * 1024
const OUTPUT_LEN = 16 * 1024

export class Desk {
  /** Octets that arrive. */
  readonly input: Uint8Array = new Uint8Array(INPUT_LEN)
  private readonly output = new Uint8Array(OUTPUT_LEN)
  /** Octets of `output` to be sent. */
  private lenBytes = 0

  /** Forgets what somebody who failed has left. */
  clear(): void {
    this.lenBytes = 0
  }

  /** Puts a response behind those that are to be sent: text, one octet for each character, and content. False: no room. */
  add(start: string, end: string, content: Uint8Array | undefined): boolean {
    const { output } = this
    const contentLen = content === undefined ? 0 : content.length
    if (this.lenBytes + start.length + end.length + contentLen > OUTPUT_LEN) return false
    const contentOff = writeText(output, writeText(output, this.lenBytes, start), end)
    if (content !== undefined) octetsCopy(content, 0, contentLen, output, contentOff)
    this.lenBytes = contentOff + contentLen
    return true
  }

  /** Sends what was put here, as far as `flow`, if there is one, takes it at once; returns a copy of the rest, if there is one. */
  send(flow: PromptFlow | undefined): Uint8Array | undefined {
    const { output, lenBytes } = this
    if (lenBytes === 0) return undefined
    this.lenBytes = 0
    const sentBytes = flow === undefined ? 0 : flow.tryWrite(output, 0, lenBytes)
    return sentBytes === lenBytes ? undefined : output.slice(sentBytes, lenBytes)
  }
}

/** One desk, and more for as long as they are needed: a handler may reach its own server without waiting. */
export class Desks {
  private spare: Desk | undefined = new Desk()

  take(): Desk {
    const desk = this.spare ?? new Desk()
    this.spare = undefined
    desk.clear()
    return desk
  }

  give(desk: Desk): void {
    this.spare = desk
  }
}
