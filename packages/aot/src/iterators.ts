/** Iterators: two values below a mark, which is why an exception closes them. */
import type { Emitter } from './emitter.ts'
import { Unsupported } from './flow.ts'
import type { Value } from './values.ts'

function iteratorAt(e: Emitter, distance: number): readonly [Value, Value] {
  const [iterator, method] = [e.stack.peek(distance), e.stack.peek(distance - 1)]
  if (iterator.owner === undefined || method.owner === undefined) throw new Unsupported('an iterator that was moved')
  return [iterator, method]
}

export function nextOfIterator(e: Emitter, offset: number): void {
  const [iterator, method] = iteratorAt(e, 3 + offset)
  e.emit(`{ JSValue w[4] = {${iterator.text}, ${method.text}};`)
  e.emit(`int failed = aot_op_for_of_next(ctx, self, w + 2, ${e.pc()});`)
  e.emit(`${iterator.owner} = w[0];`)
  e.failIf('failed')
  e.stack.pushComputed('w[2]')
  e.stack.pushComputed('w[3]', 'bool')
  e.emit('}')
}

export function callIterator(e: Emitter, name: string): void {
  const stack = e.stack
  const [iterator, method] = iteratorAt(e, 4)
  const value = stack.pop()
  e.emit(`{ JSValue w[4] = {${iterator.text}, ${method.text}, ${stack.own(value)}};`)
  e.emit(`if (UNLIKELY(aot_op_${name}(ctx, self, w + 3, ${e.pc()}))) { FREE(w[2]); goto ${e.landing()}; }`)
  stack.pushComputed('w[2]')
  if (name === 'iterator_call') stack.pushComputed('w[3]', 'bool')
  e.emit('}')
}

export function closeIterator(e: Emitter): void {
  const stack = e.stack
  stack.pop()
  stack.release(stack.pop())
  const iterator = stack.peek(1)
  e.failIf(`aot_finish_iterator(ctx, ${iterator.text}, ${e.pc()})`)
  stack.release(stack.pop())
}
