/**
 * What every part of the compiler writes with: the stack of values, the vocabulary for operations that may fail, and the
 * landings where failures go.
 */
import { type Flow, type Instruction, Unsupported } from './flow.ts'
import { isMark, type Type, type Value, ValueStack } from './values.ts'

/** Numbers the places of a file that learn about properties. */
export interface Sites {
  count: number
  /** Texts that the file's functions name. */
  texts: number
}

/** Unwinding from somewhere: what must be given back, and marks on the way. */
interface Landing {
  readonly label: string
  readonly entries: readonly Value[]
}

/** Writes a function's body. */
export class Emitter {
  readonly stack = new ValueStack()
  readonly sites: Sites
  /** The instruction being compiled. */
  now!: Instruction
  private readonly flow: Flow
  /** The engine's numbers of its instructions. */
  private readonly numbers: ReadonlyMap<string, number>
  private readonly landings = new Map<string, Landing>()

  constructor(flow: Flow, numbers: ReadonlyMap<string, number>, sites: Sites) {
    this.flow = flow
    this.numbers = numbers
    this.sites = sites
  }

  emit(line: string): void {
    this.stack.emit(line)
  }

  /** The address after the instruction being compiled. */
  pc(): string {
    return `code + ${this.now.next}`
  }

  /** Where to go when the instruction fails: everything on the stack is given back, up to a handler. */
  landing(): string {
    const entries = this.stack.entries.filter((entry) => isMark(entry) || (entry.owner && entry.type === 'any'))
    for (const [depth, entry] of this.stack.entries.entries()) {
      if (!isMark(entry) || entry.handler === 0) continue
      const below = this.stack.entries.slice(0, depth)
      if (below.some((value, i) => !isMark(value) && value.owner !== `s${i}`)) throw new Unsupported('a moved handler')
    }
    return `X${this.landingOf(entries)}`
  }

  private landingOf(entries: readonly Value[]): string {
    const key = entries.map((entry) => (isMark(entry) ? `#${entry.handler}@${entry.text}` : entry.owner)).join(' ')
    const known = this.landings.get(key)
    if (known !== undefined) return known.label
    const label = String(this.landings.size)
    this.landings.set(key, { label, entries })
    return label
  }

  /** Writes what happens at the landings: each gives back its topmost entry and goes on to the landing of the rest. */
  unwinding(): void {
    const done = new Set<string>()
    for (;;) {
      const next = [...this.landings.values()].find(({ label }) => !done.has(label))
      if (next === undefined) return
      done.add(next.label)
      this.emit(`X${next.label}:;`)
      this.unwindOne(next.entries)
    }
  }

  private unwindOne(entries: readonly Value[]): void {
    const top = entries.at(-1)
    const rest = entries.slice(0, -1)
    if (top === undefined) {
      this.emit('aot_unwind(ctx); result = JS_EXCEPTION; goto leave;')
      return
    }
    if (!isMark(top)) {
      this.emit(`aot_give_back(ctx, ${top.owner}); goto X${this.landingOf(rest)};`)
      return
    }
    if (top.handler === 0) {
      const [iterator, method] = rest.slice(-2) as [Value, Value]
      this.emit(`aot_unwind(ctx); aot_close_iterator(ctx, ${iterator.owner}, ${method.owner});`)
      this.emit(`goto X${this.landingOf(rest.slice(0, -2))};`)
      return
    }
    const block = this.flow.blocks.find(({ start }) => start === top.handler)
    if (block === undefined) throw new Unsupported('a handler that is not reached')
    this.emit(`aot_unwind(ctx); if (aot_catch(ctx, &s${block.stack.length - 1})) goto B${top.handler};`)
    this.emit(`goto X${this.landingOf(rest)};`)
  }

  failIf(condition: string): void {
    this.emit(`if (UNLIKELY(${condition})) goto ${this.landing()};`)
  }

  checkResult(): void {
    const { text } = this.stack.pop()
    this.failIf(`IS_EXCEPTION(${text})`)
    this.stack.pushVariable(text)
  }

  /** Replaces the topmost operands by what is computed from them, which cannot fail. */
  computeFrom(count: number, expression: (operands: readonly string[]) => string, type: Type = 'any'): void {
    const stack = this.stack
    const operands = stack.popMany(count)
    const made = stack.fresh()
    this.emit(`${made} = ${expression(operands.map(({ text }) => text))};`)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made, type)
  }

  /** The same with something that may fail: it leaves the operands to be given back. */
  fallibleFrom(count: number, expression: (operands: readonly string[]) => string): void {
    const stack = this.stack
    const operands = stack.entries.slice(stack.entries.length - count)
    const made = stack.fresh()
    this.emit(`${made} = ${expression(operands.map(({ text }) => text))};`)
    this.failIf(`IS_EXCEPTION(${made})`)
    stack.popMany(count)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made)
  }

  /** The same with something that gives nothing but whether it failed. */
  perform(count: number, expression: (operands: readonly string[]) => string): void {
    const stack = this.stack
    const operands = stack.entries.slice(stack.entries.length - count)
    this.failIf(`${expression(operands.map(({ text }) => text))} < 0`)
    stack.popMany(count)
    for (const operand of operands.reverse()) stack.release(operand)
  }

  /** An instruction that works on an array of operands. */
  operation(name: string, takes: number, gives: number): void {
    const stack = this.stack
    const operands = stack.popMany(takes)
    if (operands.some(isMark)) throw new Unsupported(`${name} on a mark`)
    this.emit(`{ JSValue w[${Math.max(takes, gives, 1) + 1}];`)
    for (const [index, value] of operands.entries()) this.emit(`w[${index}] = ${stack.own(value)};`)
    const failed = `aot_op_${name}(ctx, self, w + ${takes}, ${this.pc()})`
    const giveBack = takes === 0 ? '' : `aot_free_many(ctx, w, ${takes}); `
    this.emit(`if (UNLIKELY(${failed})) { ${giveBack}goto ${this.landing()}; }`)
    for (let i = 0; i < gives; i++) stack.pushComputed(`w[${i}]`)
    this.emit('}')
  }

  site(): string {
    return `&site[${this.sites.count++}]`
  }

  number(name: string): number {
    return this.numbers.get(name) as number
  }

  truth(value: Value): string {
    return value.type === 'bool' || value.type === 'int' ? `INT(${value.text})` : `aot_truth(ctx, ${value.text})`
  }
}
