/** Operators: integers have a fast way, everything else is the engine's. */
import type { Emitter } from './emitter.ts'

/** For two integers: when the fast way holds besides, and its result. */
export const ARITHMETIC: Readonly<Record<string, (a: string, b: string) => readonly [string, string]>> = {
  add: (a, b) => [`!__builtin_add_overflow(INT(${a}), INT(${b}), &sum)`, 'MAKE_INT(sum)'],
  sub: (a, b) => [`!__builtin_sub_overflow(INT(${a}), INT(${b}), &sum)`, 'MAKE_INT(sum)'],
  // A product of zero is minus zero when a factor is negative.
  mul: (a, b) => [
    `!__builtin_mul_overflow(INT(${a}), INT(${b}), &sum) && (sum != 0 || (INT(${a}) | INT(${b})) >= 0)`,
    'MAKE_INT(sum)',
  ],
  mod: (a, b) => [`INT(${a}) >= 0 && INT(${b}) > 0`, `MAKE_INT(INT(${a}) % INT(${b}))`],
  div: (a, b) => [`INT(${b}) > 0 && INT(${a}) > 0 && INT(${a}) % INT(${b}) == 0`, `MAKE_INT(INT(${a}) / INT(${b}))`],
  and: (a, b) => ['', `MAKE_INT(INT(${a}) & INT(${b}))`],
  or: (a, b) => ['', `MAKE_INT(INT(${a}) | INT(${b}))`],
  xor: (a, b) => ['', `MAKE_INT(INT(${a}) ^ INT(${b}))`],
  shl: (a, b) => ['', `MAKE_INT((int32_t)((uint32_t)INT(${a}) << (INT(${b}) & 31)))`],
  sar: (a, b) => ['', `MAKE_INT(INT(${a}) >> (INT(${b}) & 31))`],
  shr: (a, b) => ['', `aot_unsigned((uint32_t)INT(${a}) >> (INT(${b}) & 31))`],
  pow: () => ['0', 'JS_UNDEFINED'],
}

/** Operators whose result is an integer when both operands are. */
const INTEGERS = new Set(['and', 'or', 'xor', 'shl', 'sar'])

/** Those that compare, as C writes them. */
export const COMPARISONS: Readonly<Record<string, string>> = {
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  eq: '==',
  neq: '!=',
}

export function arithmetic(e: Emitter, name: string, fast: (a: string, b: string) => readonly string[]): void {
  const stack = e.stack
  const [a, b] = [stack.peek(2), stack.peek(1)]
  const made = stack.fresh()
  const [condition, result] = fast(a.text, b.text) as [string, string]
  const checks = [...[a, b].filter(({ type }) => type !== 'int').map(({ text }) => `TAG(${text}) == JS_TAG_INT`)]
  if (condition !== '') checks.push(condition)
  const isSure = checks.length === 0
  const needsNumber = condition.includes('sum')
  e.emit(needsNumber ? '{ int32_t sum;' : '{')
  if (isSure) {
    e.emit(`${made} = ${result}; }`)
  } else {
    e.emit(`if (LIKELY(${checks.join(' && ')})) ${made} = ${result};`)
    e.emit(`else { ${made} = aot_arithmetic(ctx, ${e.number(name)}, ${a.text}, ${b.text}, ${e.pc()});`)
    e.failIf(`IS_EXCEPTION(${made})`)
    e.emit('} }')
  }
  const operands = stack.popMany(2)
  for (const operand of operands.reverse()) stack.release(operand)
  stack.pushVariable(made, isSure && INTEGERS.has(name) ? 'int' : 'any')
}

export function compare(e: Emitter, name: string, operator: string): void {
  const stack = e.stack
  const [a, b] = [stack.peek(2), stack.peek(1)]
  const made = stack.fresh()
  const checks = [a, b].filter(({ type }) => type !== 'int').map(({ text }) => `TAG(${text}) == JS_TAG_INT`)
  const result = `MAKE_BOOL(INT(${a.text}) ${operator} INT(${b.text}))`
  if (checks.length === 0) {
    e.emit(`${made} = ${result};`)
  } else {
    e.emit(`if (LIKELY(${checks.join(' && ')})) ${made} = ${result};`)
    e.emit(`else { int is = aot_compare(ctx, ${e.number(name)}, ${a.text}, ${b.text}, ${e.pc()});`)
    e.failIf('is < 0')
    e.emit(`${made} = MAKE_BOOL(is); }`)
  }
  const operands = stack.popMany(2)
  for (const operand of operands.reverse()) stack.release(operand)
  stack.pushVariable(made, 'bool')
}

export function unary(e: Emitter, name: string): void {
  e.fallibleFrom(1, ([value]) => {
    if (name === 'plus')
      return `TAG(${value}) == JS_TAG_INT ? ${value} : aot_unary(ctx, ${e.number(name)}, ${value}, ${e.pc()})`
    const slow = `aot_unary(ctx, ${e.number(name)}, ${value}, ${e.pc()})`
    if (name === 'not') return `TAG(${value}) == JS_TAG_INT ? MAKE_INT(~INT(${value})) : ${slow}`
    return slow
  })
}

function stepped(e: Emitter, value: string, name: 'inc' | 'dec'): string {
  const [limit, change] = name === 'inc' ? ['INT32_MAX', '+ 1'] : ['INT32_MIN', '- 1']
  const fast = `LIKELY(TAG(${value}) == JS_TAG_INT && INT(${value}) != ${limit}) ? MAKE_INT(INT(${value}) ${change})`
  return `${fast} : aot_unary(ctx, ${e.number(name)}, ${value}, ${e.pc()})`
}

export function step(e: Emitter, name: 'inc' | 'dec'): void {
  e.fallibleFrom(1, ([value]) => stepped(e, value as string, name))
}

/** The number before the step stays below the one after it. */
export function postStep(e: Emitter, name: 'inc' | 'dec'): void {
  const stack = e.stack
  const before = stack.fresh()
  const value = stack.peek(1)
  e.emit(
    `${before} = TAG(${value.text}) == JS_TAG_INT ? ${value.text} : aot_to_numeric(ctx, ${value.text}, ${e.pc()});`,
  )
  e.failIf(`IS_EXCEPTION(${before})`)
  stack.pop()
  stack.release(value)
  stack.pushVariable(before)
  stack.pushComputed(stepped(e, before, name))
  e.checkResult()
}

export function stepLocal(e: Emitter, variable: string, isShared: boolean, name: 'inc' | 'dec'): void {
  if (!isShared) e.stack.settle(variable)
  e.emit(`{ JSValue stepped = ${stepped(e, variable, name)};`)
  e.failIf('IS_EXCEPTION(stepped)')
  e.emit(`aot_set(ctx, &${variable}, stepped); }`)
}

export function addLocal(e: Emitter, variable: string, isShared: boolean): void {
  const stack = e.stack
  const value = stack.peek(1)
  e.emit('{ int32_t sum; JSValue added;')
  e.emit(
    `if (LIKELY(BOTH_INT(${variable}, ${value.text}) && !__builtin_add_overflow(INT(${variable}), INT(${value.text}), &sum)))`,
  )
  e.emit('added = MAKE_INT(sum);')
  e.emit(`else { added = aot_arithmetic(ctx, ${e.number('add')}, ${variable}, ${value.text}, ${e.pc()});`)
  e.failIf('IS_EXCEPTION(added)')
  e.emit('}')
  stack.pop()
  stack.release(value)
  if (!isShared) stack.settle(variable)
  e.emit(`aot_set(ctx, &${variable}, added); }`)
}
