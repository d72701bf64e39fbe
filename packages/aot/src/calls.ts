/** Calls and returns. */
import type { Emitter } from './emitter.ts'
import { Unsupported } from './flow.ts'
import { isMark, type Value } from './values.ts'

export function emitCall(e: Emitter, count: number, hasThis: boolean): void {
  const stack = e.stack
  const depth = count + (hasThis ? 2 : 1)
  const operands = stack.entries.slice(stack.entries.length - depth)
  if (operands.some(isMark)) throw new Unsupported('a call with a mark')
  const [first, second] = operands as [Value, Value]
  const made = stack.fresh()
  const texts = operands.slice(depth - count).map(({ text }) => text)
  e.emit(`frame.pc = ${e.pc()};`)
  const argv = count === 0 ? 'NULL' : `(JSValue[]){${texts.join(', ')}}`
  const [callee, receiver] = hasThis ? [second.text, first.text] : [first.text, 'JS_UNDEFINED']
  e.emit(`${made} = aot_call(ctx, ${callee}, ${receiver}, ${count}, ${argv});`)
  e.failIf(`IS_EXCEPTION(${made})`)
  stack.popMany(depth)
  for (const operand of operands.reverse()) stack.release(operand)
  stack.pushVariable(made)
}

export function emitConstruct(e: Emitter, count: number): void {
  const stack = e.stack
  const operands = stack.entries.slice(stack.entries.length - count - 2)
  const [callee, target, ...rest] = operands.map(({ text }) => text)
  const made = stack.fresh()
  e.emit(`frame.pc = ${e.pc()};`)
  const argv = count === 0 ? 'NULL' : `(JSValue[]){${rest.join(', ')}}`
  e.emit(`${made} = aot_construct(ctx, ${callee}, ${target}, ${count}, ${argv});`)
  e.failIf(`IS_EXCEPTION(${made})`)
  stack.popMany(count + 2)
  for (const operand of operands.reverse()) stack.release(operand)
  stack.pushVariable(made)
}

export function emitReturn(e: Emitter): void {
  const value = e.stack.pop()
  e.emit(`result = ${e.stack.own(value)};`)
  releaseAll(e)
  e.emit('goto leave;')
}

/** What a return leaves behind on the stack. */
export function releaseAll(e: Emitter): void {
  while (e.stack.entries.length > 0) {
    const value = e.stack.pop()
    if (!isMark(value)) e.stack.release(value)
  }
}
