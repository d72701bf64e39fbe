/**
 * Sequence numbers (RFC 9293 §3.4): 32 bits, compared modulo 2^32. They are kept with a sign, because both engines keep small
 * integers in a register or a field, and larger ones as floating point numbers: V8 in an object of their own each.
 *
 * The order is only meaningful between numbers less than 2^31 apart, which a window never exceeds (RFC 7323 §2.3).
 */
import type { Brand } from '@mirage-ts/signatures/addresses'

/** A TCP sequence number, -2^31 to 2^31 - 1. Never compare two with `<`, never subtract them with `-`. */
export type Seq = number & Brand<'Seq'>

/** Takes any integer modulo 2^32. */
export function seq(value: number): Seq {
  return (value | 0) as Seq
}

/** `count` further than `a`; `count` may be negative. */
export function seqAdd(a: Seq, count: number): Seq {
  return ((a + count) | 0) as Seq
}

/** How far `a` is past `b`: negative when it comes before. */
export function seqDiff(a: Seq, b: Seq): number {
  return (a - b) | 0
}

/** True when `a` comes before `b`. */
export function seqLt(a: Seq, b: Seq): boolean {
  return ((a - b) | 0) < 0
}

/** True when `a` comes before `b` or is `b`. */
export function seqLe(a: Seq, b: Seq): boolean {
  return ((a - b) | 0) <= 0
}

/** The later of two. */
export function seqMax(a: Seq, b: Seq): Seq {
  return ((a - b) | 0) < 0 ? b : a
}
