/** Transfers to whoever signs the question: their messages are signed too. */
import type { WallClock } from '@mirage-ts/signatures/time'
import { MAX_MESSAGE_LEN } from '../wire/message.ts'
import { signMessage, type TsigContext, type TsigKey } from '../wire/tsig.ts'
import { WireWriter } from '../wire/wire.ts'
import type { TransferOut } from './transfer.ts'

/** The messages of an outgoing transfer, signed one after the other when the question was (RFC 8945 §5.3.1). */
export class SignedTransfer {
  private readonly transfer: TransferOut
  private readonly key: TsigKey | undefined
  private readonly wallClock: WallClock
  private readonly writer = new WireWriter(MAX_MESSAGE_LEN)
  private mac: Uint8Array | undefined
  private isContinued = false

  constructor(transfer: TransferOut, context: TsigContext | undefined, wallClock: WallClock) {
    this.transfer = transfer
    this.key = context?.key
    this.mac = context?.mac
    this.wallClock = wallClock
  }

  /** The next message, good until the next call; `undefined` when that was the last one. */
  next(): Uint8Array | undefined {
    const { writer, key } = this
    const end = this.transfer.next(writer)
    if (end === 0) return undefined
    if (key === undefined) return writer.u8.subarray(0, end)
    const seconds = Math.floor(this.wallClock.now() / 1e6)
    const signed = signMessage(writer.u8, end, key, seconds, { requestMac: this.mac, isContinued: this.isContinued })
    this.mac = signed.mac
    this.isContinued = true
    return writer.u8.subarray(0, signed.end)
  }
}
