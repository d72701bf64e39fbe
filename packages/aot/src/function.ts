/**
 * Compiles one function's bytecode to one C function.
 *
 * The C function does what the interpreter would do, instruction by instruction, but without its stack: which values are
 * where is decided here. `native/aot/aot.h` has the vocabulary. Anything rare goes through a function of the engine; what
 * this compiler does not know makes the whole function stay interpreted.
 */
import type { FunctionCode } from './bytecode.ts'
import { type Flow, flowOf, type Instruction, isEnd, note, SHUFFLES, Unsupported } from './flow.ts'
import type { OpcodeTable } from './opcodes.ts'
import { OPERATIONS } from './operations.ts'
import type { IsSteady } from './steady.ts'
import { isMark, type Type, type Value, ValueStack } from './values.ts'

/** Numbers the places of a file that learn about properties. */
export interface Sites {
  count: number
  /** Texts that the file's functions name. */
  texts: number
}

/** The C text of a function; throws `Unsupported` when it has to stay interpreted. */
export function compileFunction(fn: FunctionCode, opcodes: OpcodeTable, isSteady: IsSteady, sites: Sites): string {
  if (!fn.isNormal) throw new Unsupported('a generator or an async function')
  if (!fn.isStrict) throw new Unsupported('a function in sloppy mode')
  return new FunctionCompiler(fn, opcodes, isSteady, sites).compile()
}

/** Unwinding from somewhere: what must be given back, and marks on the way. */
interface Landing {
  readonly label: string
  readonly entries: readonly Value[]
}

class FunctionCompiler {
  readonly #fn: FunctionCode
  readonly #flow: Flow
  readonly #sites: Sites
  readonly #isSteady: IsSteady
  readonly #numbers: ReadonlyMap<string, number>
  readonly #stack = new ValueStack()
  readonly #landings = new Map<string, Landing>()
  readonly #capturedArguments: boolean
  readonly #capturedLocals: boolean
  readonly #changedArguments: ReadonlySet<number>
  readonly #isConstructor: boolean
  readonly #leaders: ReadonlySet<number>
  #initialised = new Set<number>()
  /** The instruction being compiled. */
  #now!: Instruction

  constructor(fn: FunctionCode, opcodes: OpcodeTable, isSteady: IsSteady, sites: Sites) {
    this.#fn = fn
    this.#flow = flowOf(fn, opcodes)
    this.#leaders = new Set(this.#flow.blocks.map(({ start }) => start))
    this.#sites = sites
    this.#isSteady = isSteady
    this.#numbers = new Map(opcodes.map(({ name, code }) => [name, code]))
    this.#capturedArguments = fn.variables.slice(0, fn.argumentCount).some((one) => one.capturedAs !== undefined)
    this.#capturedLocals = fn.variables.slice(fn.argumentCount).some((one) => one.capturedAs !== undefined)
    const instructions = [...this.#flow.instructions.values()]
    this.#changedArguments = new Set(
      instructions.filter(({ name }) => name === 'put_arg' || name === 'set_arg').map(({ operand }) => operand),
    )
    this.#isConstructor = instructions.some(
      ({ name, operand }) =>
        name === 'check_ctor' || name === 'init_ctor' || (name === 'special_object' && operand === NEW_TARGET),
    )
  }

  compile(): string {
    for (const [index, block] of this.#flow.blocks.entries()) {
      this.#initialised = new Set(block.initialised)
      this.#stack.begin(block.stack)
      this.#emit(`B${block.start}:;`)
      this.#block(block.start, this.#flow.blocks[index + 1]?.start)
    }
    const body = [...this.#stack.lines]
    this.#stack.lines.length = 0
    this.#unwinding()
    return [...this.#prologue(), ...body, ...this.#stack.lines, ...this.#epilogue(), '}'].join('\n')
  }

  #emit(line: string): void {
    this.#stack.emit(line)
  }

  #block(start: number, following: number | undefined): void {
    for (let pc = start; ; ) {
      const instruction = this.#flow.instructions.get(pc) as Instruction
      this.#now = instruction
      this.#instruction(instruction)
      note(instruction, this.#initialised)
      if (isEnd(instruction) || instruction.name === 'gosub') break
      pc = instruction.next
      if (this.#leaders.has(pc)) {
        this.#stack.flush()
        if (pc !== following) this.#emit(`goto B${pc};`)
        break
      }
    }
    this.#stack.end()
  }

  // Variables

  #isCapturedLocal(index: number): boolean {
    return this.#fn.variables[this.#fn.argumentCount + index]?.capturedAs !== undefined
  }

  #isCapturedArgument(index: number): boolean {
    return index < this.#fn.argumentCount && this.#fn.variables[index]?.capturedAs !== undefined
  }

  #local(index: number): string {
    return this.#isCapturedLocal(index) ? `local[${index}]` : `l${index}`
  }

  #argument(index: number): string {
    return this.#isCapturedArgument(index) ? `argument[${index}]` : `a${index}`
  }

  /** True when the C function has its own reference to an argument. */
  #ownsArgument(index: number): boolean {
    return this.#isCapturedArgument(index) || this.#changedArguments.has(index)
  }

  #get(variable: string, isShared: boolean): void {
    if (isShared) this.#stack.pushComputed(`DUP(${variable})`)
    else this.#stack.push({ text: variable, type: 'any', lender: variable })
  }

  #getOuter(index: number): void {
    const value = `*outer[${index}]->value`
    if (!this.#isSteady(this.#fn, index)) {
      this.#stack.pushComputed(`DUP(${value})`)
      return
    }
    const made = this.#stack.fresh()
    this.#emit(`${made} = ${value};`)
    this.#stack.pushBorrowed(made)
  }

  #put(variable: string, value: Value, isShared: boolean): void {
    if (!isShared) this.#stack.settle(variable)
    this.#emit(`aot_set(ctx, &${variable}, ${this.#stack.own(value)});`)
  }

  /** Leaves a copy of a variable that was just set. */
  #set(variable: string, isShared: boolean): void {
    const value = this.#stack.pop()
    this.#put(variable, this.#stack.alias(value), isShared)
    this.#stack.push(value)
  }

  #checkInitialised(variable: string, index: number, isOuter: boolean): void {
    if (!isOuter && this.#initialised.has(index)) return
    this.#emit(`if (UNLIKELY(TAG(${variable}) == JS_TAG_UNINITIALIZED)) {`)
    this.#emit(`aot_throw_uninitialized(ctx, self, ${index}, ${isOuter}, ${this.#pc()}); goto ${this.#landing()}; }`)
  }

  // Exceptions

  /** The address after the instruction being compiled. */
  #pc(): string {
    return `code + ${this.#now.next}`
  }

  /** Where to go when the instruction fails: everything on the stack is given back, up to a handler. */
  #landing(): string {
    const entries = this.#stack.entries.filter((entry) => isMark(entry) || (entry.owner && entry.type === 'any'))
    for (const [depth, entry] of this.#stack.entries.entries()) {
      if (!isMark(entry) || entry.handler === 0) continue
      const below = this.#stack.entries.slice(0, depth)
      if (below.some((value, i) => !isMark(value) && value.owner !== `s${i}`)) throw new Unsupported('a moved handler')
    }
    return `X${this.#landingOf(entries)}`
  }

  #landingOf(entries: readonly Value[]): string {
    const key = entries.map((entry) => (isMark(entry) ? `#${entry.handler}@${entry.text}` : entry.owner)).join(' ')
    const known = this.#landings.get(key)
    if (known !== undefined) return known.label
    const label = String(this.#landings.size)
    this.#landings.set(key, { label, entries })
    return label
  }

  /** Writes what happens at the landings: each gives back its topmost entry and goes on to the landing of the rest. */
  #unwinding(): void {
    const done = new Set<string>()
    for (;;) {
      const next = [...this.#landings.values()].find(({ label }) => !done.has(label))
      if (next === undefined) return
      done.add(next.label)
      this.#emit(`X${next.label}:;`)
      this.#unwindOne(next.entries)
    }
  }

  #unwindOne(entries: readonly Value[]): void {
    const top = entries.at(-1)
    const rest = entries.slice(0, -1)
    if (top === undefined) {
      this.#emit('aot_unwind(ctx); result = JS_EXCEPTION; goto leave;')
      return
    }
    if (!isMark(top)) {
      this.#emit(`aot_give_back(ctx, ${top.owner}); goto X${this.#landingOf(rest)};`)
      return
    }
    if (top.handler === 0) {
      const [iterator, method] = rest.slice(-2) as [Value, Value]
      this.#emit(`aot_unwind(ctx); aot_close_iterator(ctx, ${iterator.owner}, ${method.owner});`)
      this.#emit(`goto X${this.#landingOf(rest.slice(0, -2))};`)
      return
    }
    const block = this.#flow.blocks.find(({ start }) => start === top.handler)
    if (block === undefined) throw new Unsupported('a handler that is not reached')
    this.#emit(`aot_unwind(ctx); if (aot_catch(ctx, &s${block.stack.length - 1})) goto B${top.handler};`)
    this.#emit(`goto X${this.#landingOf(rest)};`)
  }

  #failIf(condition: string): void {
    this.#emit(`if (UNLIKELY(${condition})) goto ${this.#landing()};`)
  }

  // Instructions

  #instruction({ name, operand }: Instruction): void {
    const stack = this.#stack
    const shuffle = SHUFFLES[name]
    if (shuffle !== undefined) {
      this.#shuffle(shuffle.takes, shuffle.gives)
      return
    }
    const operation = OPERATIONS[name]
    if (operation !== undefined) {
      const elements = name === 'array_from' ? operand : operation.takes
      this.#operation(name, elements, operation.gives)
      return
    }
    const binary = ARITHMETIC[name]
    if (binary !== undefined) {
      this.#arithmetic(name, binary)
      return
    }
    const comparison = COMPARISONS[name]
    if (comparison !== undefined) {
      this.#compare(name, comparison)
      return
    }
    switch (name) {
      case 'nop':
        return
      case 'push_i32':
        stack.push({ text: `MAKE_INT(${operand === -2147483648 ? '(-2147483647 - 1)' : operand})`, type: 'int' })
        return
      case 'push_bigint_i32':
        stack.push({ text: `JS_MKVAL(JS_TAG_SHORT_BIG_INT, ${operand})`, type: 'plain' })
        return
      case 'push_const':
        this.#constant(operand)
        return
      case 'fclosure':
        stack.pushComputed(`aot_make_closure(ctx, b->constants[${operand}], self)`)
        this.#checkResult()
        return
      case 'undefined':
        stack.push({ text: 'JS_UNDEFINED', type: 'plain' })
        return
      case 'null':
        stack.push({ text: 'JS_NULL', type: 'plain' })
        return
      case 'push_true':
        stack.push({ text: 'JS_TRUE', type: 'bool' })
        return
      case 'push_false':
        stack.push({ text: 'JS_FALSE', type: 'bool' })
        return
      case 'push_atom_value': {
        const made = stack.fresh()
        this.#emit(`${made} = aot_text(ctx, &text[${this.#sites.texts++}], ${this.#pc()});`)
        stack.pushBorrowed(made)
        return
      }
      case 'push_empty_string':
        stack.pushComputed('aot_empty_string(ctx)')
        return
      case 'push_this':
        stack.push({ text: 'this_value', type: 'any' })
        return
      case 'special_object':
        this.#special(operand)
        return
      case 'rest':
        stack.pushComputed(`aot_rest(ctx, ${operand}, argc, argv)`)
        this.#checkResult()
        return
      case 'get_loc':
        this.#get(this.#local(operand), this.#isCapturedLocal(operand))
        return
      case 'get_loc0_loc1':
        this.#get(this.#local(0), this.#isCapturedLocal(0))
        this.#get(this.#local(1), this.#isCapturedLocal(1))
        return
      case 'get_loc_check':
        this.#checkInitialised(this.#local(operand), operand, false)
        this.#get(this.#local(operand), this.#isCapturedLocal(operand))
        return
      case 'put_loc_check':
        this.#checkInitialised(this.#local(operand), operand, false)
        this.#put(this.#local(operand), stack.pop(), this.#isCapturedLocal(operand))
        return
      case 'put_loc':
        this.#put(this.#local(operand), stack.pop(), this.#isCapturedLocal(operand))
        return
      case 'put_loc_check_init':
        this.#emit(`if (UNLIKELY(TAG(${this.#local(operand)}) != JS_TAG_UNINITIALIZED)) {`)
        this.#emit(`aot_throw_reference_error(ctx, ${this.#pc()}); goto ${this.#landing()}; }`)
        this.#put(this.#local(operand), stack.pop(), this.#isCapturedLocal(operand))
        return
      case 'set_loc':
        this.#set(this.#local(operand), this.#isCapturedLocal(operand))
        return
      case 'set_loc_uninitialized':
        this.#put(this.#local(operand), { text: 'JS_UNINITIALIZED', type: 'plain' }, this.#isCapturedLocal(operand))
        return
      case 'close_loc':
        this.#emit(`aot_close_variable(ctx, self, ${operand});`)
        return
      case 'get_arg':
        this.#get(this.#argument(operand), this.#isCapturedArgument(operand))
        return
      case 'put_arg':
        this.#put(this.#argument(operand), stack.pop(), this.#isCapturedArgument(operand))
        return
      case 'set_arg':
        this.#set(this.#argument(operand), this.#isCapturedArgument(operand))
        return
      case 'get_var_ref':
        this.#getOuter(operand)
        return
      case 'get_var_ref_check':
        this.#checkInitialised(`*outer[${operand}]->value`, operand, true)
        this.#getOuter(operand)
        return
      case 'put_var_ref_check':
        this.#checkInitialised(`*outer[${operand}]->value`, operand, true)
        this.#emit(`aot_set(ctx, outer[${operand}]->value, ${stack.own(stack.pop())});`)
        return
      case 'put_var_ref':
        this.#emit(`aot_set(ctx, outer[${operand}]->value, ${stack.own(stack.pop())});`)
        return
      case 'set_var_ref': {
        const value = stack.pop()
        this.#emit(`aot_set(ctx, outer[${operand}]->value, ${stack.own(stack.alias(value))});`)
        stack.push(value)
        return
      }
      case 'add_loc':
        this.#addLocal(operand)
        return
      case 'inc_loc':
      case 'dec_loc':
        this.#stepLocal(operand, name === 'inc_loc' ? 'inc' : 'dec')
        return
      case 'inc':
      case 'dec':
        this.#step(name)
        return
      case 'post_inc':
      case 'post_dec':
        this.#postStep(name === 'post_inc' ? 'inc' : 'dec')
        return
      case 'neg':
      case 'plus':
      case 'not':
        this.#unary(name)
        return
      case 'lnot': {
        const value = stack.pop()
        const made = stack.fresh()
        this.#emit(`${made} = MAKE_BOOL(!${this.#truth(value)});`)
        stack.release(value)
        stack.pushVariable(made, 'bool')
        return
      }
      case 'typeof':
        this.#computeFrom(1, ([value]) => `aot_typeof(ctx, ${value})`)
        return
      case 'strict_eq':
      case 'strict_neq':
        this.#computeFrom(
          2,
          ([a, b]) => `MAKE_BOOL(${name === 'strict_eq' ? '' : '!'}aot_strict_equals(ctx, ${a}, ${b}))`,
          'bool',
        )
        return
      case 'is_undefined':
        this.#computeFrom(1, ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_UNDEFINED)`, 'bool')
        return
      case 'is_null':
        this.#computeFrom(1, ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_NULL)`, 'bool')
        return
      case 'is_undefined_or_null':
        this.#computeFrom(
          1,
          ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_UNDEFINED || TAG(${value}) == JS_TAG_NULL)`,
          'bool',
        )
        return
      case 'typeof_is_function':
        this.#computeFrom(1, ([value]) => `MAKE_BOOL(aot_is_function(ctx, ${value}))`, 'bool')
        return
      case 'typeof_is_undefined':
        this.#computeFrom(1, ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_UNDEFINED)`, 'bool')
        return
      case 'get_field':
        this.#fallibleFrom(1, ([object]) => `aot_get(ctx, ${object}, ${this.#site()}, ${this.#pc()})`)
        return
      case 'get_length':
        this.#fallibleFrom(1, ([object]) => `aot_get_length(ctx, ${object}, ${this.#site()}, ${this.#pc()})`)
        return
      case 'get_array_el':
        this.#fallibleFrom(2, ([object, index]) => `aot_get_element(ctx, ${object}, ${index}, ${this.#pc()})`)
        return
      case 'get_field2': {
        const object = stack.peek(1)
        stack.pushComputed(`aot_get_method(ctx, ${object.text}, ${this.#site()}, ${this.#pc()})`)
        this.#checkResult()
        return
      }
      case 'put_field':
        this.#perform(2, ([object, value]) => `aot_put(ctx, ${object}, ${value}, ${this.#site()}, ${this.#pc()})`)
        return
      case 'put_array_el':
        this.#perform(
          3,
          ([object, index, value]) => `aot_put_element(ctx, ${object}, ${index}, ${value}, ${this.#pc()})`,
        )
        return
      case 'define_field': {
        const [object, value] = [stack.peek(2), stack.peek(1)]
        this.#failIf(`aot_define(ctx, ${object.text}, ${value.text}, ${this.#site()}, ${this.#pc()}) < 0`)
        stack.release(stack.pop())
        return
      }
      case 'get_var':
      case 'get_var_undef':
        stack.pushComputed(`aot_get_global(ctx, ${this.#site()}, ${this.#pc()}, ${name === 'get_var'})`)
        this.#checkResult()
        return
      case 'call':
      case 'tail_call':
        this.#call(operand, false)
        if (name === 'tail_call') this.#return()
        return
      case 'call_method':
      case 'tail_call_method':
        this.#call(operand, true)
        if (name === 'tail_call_method') this.#return()
        return
      case 'call_constructor':
        this.#construct(operand)
        return
      case 'return':
        this.#return()
        return
      case 'return_undef':
        this.#emit('result = JS_UNDEFINED;')
        this.#releaseAll()
        this.#emit('goto leave;')
        return
      case 'throw': {
        const value = stack.pop()
        this.#emit(`aot_throw(ctx, ${value.text}, ${this.#pc()});`)
        stack.release(value)
        this.#emit(`goto ${this.#landing()};`)
        return
      }
      case 'check_ctor':
        this.#emit('if (UNLIKELY(TAG(new_target) == JS_TAG_UNDEFINED)) {')
        this.#emit(`aot_throw_type_error(ctx, "class constructors must be invoked with 'new'", ${this.#pc()});`)
        this.#emit(`goto ${this.#landing()}; }`)
        return
      case 'init_ctor':
        this.#emit(`frame.pc = ${this.#pc()};`)
        stack.pushComputed('aot_init_constructor(ctx, self, new_target, argc, argv)')
        this.#checkResult()
        return
      case 'check_ctor_return': {
        const value = stack.peek(1)
        this.#emit(`if (UNLIKELY(TAG(${value.text}) != JS_TAG_OBJECT && TAG(${value.text}) != JS_TAG_UNDEFINED)) {`)
        this.#emit('aot_throw_type_error(ctx, "derived class constructor must return an object or undefined", ')
        this.#emit(`${this.#pc()}); goto ${this.#landing()}; }`)
        stack.pushComputed(`MAKE_BOOL(TAG(${value.text}) != JS_TAG_OBJECT)`, 'bool')
        return
      }
      case 'goto':
        stack.flush()
        this.#jump(operand)
        return
      case 'if_true':
      case 'if_false':
        this.#branch(name === 'if_true', operand)
        return
      case 'catch':
        stack.flush()
        stack.push({ text: '', type: 'plain', handler: operand })
        return
      case 'nip_catch': {
        const value = stack.detach(stack.pop())
        while (!isMark(stack.peek(1))) stack.release(stack.pop())
        stack.pop()
        stack.push(value)
        return
      }
      case 'gosub':
        stack.push({ text: `MAKE_INT(${this.#now.next})`, type: 'int' })
        stack.flush()
        this.#emit(`goto B${operand};`)
        return
      case 'ret':
        this.#returnFromFinally()
        return
      case 'copy_data_properties': {
        const reached = stack.entries.slice(-8)
        const texts = reached.map((value) => (isMark(value) ? 'JS_UNDEFINED' : value.text))
        this.#emit(`{ JSValue w[] = {${texts.join(', ')}};`)
        this.#failIf(`aot_op_copy_data_properties(ctx, self, w + ${reached.length}, ${this.#pc()})`)
        this.#emit('}')
        return
      }
      case 'for_of_start':
        this.#operation('for_of_start', 1, 2)
        stack.push({ text: '', type: 'plain', handler: 0 })
        return
      case 'for_of_next':
        this.#nextOfIterator(operand)
        return
      case 'iterator_next':
      case 'iterator_call':
        this.#callIterator(name)
        return
      case 'iterator_close':
        this.#closeIterator()
        return
      default:
        throw new Unsupported(name)
    }
  }

  #shuffle(takes: number, gives: readonly number[]): void {
    const stack = this.#stack
    const taken = stack.popMany(takes)
    const used = new Set<number>()
    // The last copy keeps the reference: what is on top is usually taken off first.
    const made = gives.map((index) => {
      const value = taken[index] as Value
      if (used.has(index)) return stack.alias(value)
      used.add(index)
      return value
    })
    stack.entries.push(...made)
    for (const [index, value] of taken.entries()) if (!used.has(index)) stack.release(value)
  }

  #constant(index: number): void {
    const constant = this.#fn.constants[index]
    if (constant?.kind === 'number' && !Number.isInteger(constant.value)) {
      this.#stack.push({ text: `b->constants[${index}]`, type: 'plain' })
    } else {
      this.#stack.push({ text: `b->constants[${index}]`, type: constant?.kind === 'number' ? 'plain' : 'any' })
    }
  }

  #special(kind: number): void {
    if (kind === THIS_FUNCTION) this.#stack.push({ text: 'MAKE_OBJECT(self)', type: 'any' })
    else if (kind === NEW_TARGET) this.#stack.push({ text: 'new_target', type: 'any' })
    else if (kind === HOME_OBJECT) this.#stack.pushComputed('aot_home_object(self)')
    else if (kind === NULL_PROTOTYPE) this.#operation('null_object', 0, 1)
    else throw new Unsupported(`special_object ${kind}`)
  }

  /** An instruction that works on an array of operands. */
  #operation(name: string, takes: number, gives: number): void {
    const stack = this.#stack
    const operands = stack.popMany(takes)
    if (operands.some(isMark)) throw new Unsupported(`${name} on a mark`)
    this.#emit(`{ JSValue w[${Math.max(takes, gives, 1) + 1}];`)
    for (const [index, value] of operands.entries()) this.#emit(`w[${index}] = ${stack.own(value)};`)
    const failed = `aot_op_${name}(ctx, self, w + ${takes}, ${this.#pc()})`
    const giveBack = takes === 0 ? '' : `aot_free_many(ctx, w, ${takes}); `
    this.#emit(`if (UNLIKELY(${failed})) { ${giveBack}goto ${this.#landing()}; }`)
    for (let i = 0; i < gives; i++) stack.pushComputed(`w[${i}]`)
    this.#emit('}')
  }

  #checkResult(): void {
    const { text } = this.#stack.pop()
    this.#failIf(`IS_EXCEPTION(${text})`)
    this.#stack.pushVariable(text)
  }

  /** Replaces the topmost operands by what is computed from them, which cannot fail. */
  #computeFrom(count: number, expression: (operands: readonly string[]) => string, type: Type = 'any'): void {
    const stack = this.#stack
    const operands = stack.popMany(count)
    const made = stack.fresh()
    this.#emit(`${made} = ${expression(operands.map(({ text }) => text))};`)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made, type)
  }

  /** The same with something that may fail: it leaves the operands to be given back. */
  #fallibleFrom(count: number, expression: (operands: readonly string[]) => string): void {
    const stack = this.#stack
    const operands = stack.entries.slice(stack.entries.length - count)
    const made = stack.fresh()
    this.#emit(`${made} = ${expression(operands.map(({ text }) => text))};`)
    this.#failIf(`IS_EXCEPTION(${made})`)
    stack.popMany(count)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made)
  }

  /** The same with something that gives nothing but whether it failed. */
  #perform(count: number, expression: (operands: readonly string[]) => string): void {
    const stack = this.#stack
    const operands = stack.entries.slice(stack.entries.length - count)
    this.#failIf(`${expression(operands.map(({ text }) => text))} < 0`)
    stack.popMany(count)
    for (const operand of operands.reverse()) stack.release(operand)
  }

  #site(): string {
    return `&site[${this.#sites.count++}]`
  }

  #number(name: string): number {
    return this.#numbers.get(name) as number
  }

  #truth(value: Value): string {
    return value.type === 'bool' || value.type === 'int' ? `INT(${value.text})` : `aot_truth(ctx, ${value.text})`
  }

  #arithmetic(name: string, fast: (a: string, b: string) => readonly string[]): void {
    const stack = this.#stack
    const [a, b] = [stack.peek(2), stack.peek(1)]
    const made = stack.fresh()
    const [condition, result] = fast(a.text, b.text) as [string, string]
    const checks = [...[a, b].filter(({ type }) => type !== 'int').map(({ text }) => `TAG(${text}) == JS_TAG_INT`)]
    if (condition !== '') checks.push(condition)
    const isSure = checks.length === 0
    const needsNumber = condition.includes('sum')
    this.#emit(needsNumber ? '{ int32_t sum;' : '{')
    if (isSure) {
      this.#emit(`${made} = ${result}; }`)
    } else {
      this.#emit(`if (LIKELY(${checks.join(' && ')})) ${made} = ${result};`)
      this.#emit(`else { ${made} = aot_arithmetic(ctx, ${this.#number(name)}, ${a.text}, ${b.text}, ${this.#pc()});`)
      this.#failIf(`IS_EXCEPTION(${made})`)
      this.#emit('} }')
    }
    const operands = stack.popMany(2)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made, isSure && INTEGERS.has(name) ? 'int' : 'any')
  }

  #compare(name: string, operator: string): void {
    const stack = this.#stack
    const [a, b] = [stack.peek(2), stack.peek(1)]
    const made = stack.fresh()
    const checks = [a, b].filter(({ type }) => type !== 'int').map(({ text }) => `TAG(${text}) == JS_TAG_INT`)
    const result = `MAKE_BOOL(INT(${a.text}) ${operator} INT(${b.text}))`
    if (checks.length === 0) {
      this.#emit(`${made} = ${result};`)
    } else {
      this.#emit(`if (LIKELY(${checks.join(' && ')})) ${made} = ${result};`)
      this.#emit(`else { int is = aot_compare(ctx, ${this.#number(name)}, ${a.text}, ${b.text}, ${this.#pc()});`)
      this.#failIf('is < 0')
      this.#emit(`${made} = MAKE_BOOL(is); }`)
    }
    const operands = stack.popMany(2)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made, 'bool')
  }

  #unary(name: string): void {
    this.#fallibleFrom(1, ([value]) => {
      if (name === 'plus')
        return `TAG(${value}) == JS_TAG_INT ? ${value} : aot_unary(ctx, ${this.#number(name)}, ${value}, ${this.#pc()})`
      const slow = `aot_unary(ctx, ${this.#number(name)}, ${value}, ${this.#pc()})`
      if (name === 'not') return `TAG(${value}) == JS_TAG_INT ? MAKE_INT(~INT(${value})) : ${slow}`
      return slow
    })
  }

  #stepped(value: string, name: 'inc' | 'dec'): string {
    const [limit, change] = name === 'inc' ? ['INT32_MAX', '+ 1'] : ['INT32_MIN', '- 1']
    const fast = `LIKELY(TAG(${value}) == JS_TAG_INT && INT(${value}) != ${limit}) ? MAKE_INT(INT(${value}) ${change})`
    return `${fast} : aot_unary(ctx, ${this.#number(name)}, ${value}, ${this.#pc()})`
  }

  #step(name: 'inc' | 'dec'): void {
    this.#fallibleFrom(1, ([value]) => this.#stepped(value as string, name))
  }

  /** The number before the step stays below the one after it. */
  #postStep(name: 'inc' | 'dec'): void {
    const stack = this.#stack
    const before = stack.fresh()
    const value = stack.peek(1)
    this.#emit(
      `${before} = TAG(${value.text}) == JS_TAG_INT ? ${value.text} : aot_to_numeric(ctx, ${value.text}, ${this.#pc()});`,
    )
    this.#failIf(`IS_EXCEPTION(${before})`)
    stack.pop()
    stack.release(value)
    stack.pushVariable(before)
    stack.pushComputed(this.#stepped(before, name))
    this.#checkResult()
  }

  #stepLocal(index: number, name: 'inc' | 'dec'): void {
    const variable = this.#local(index)
    if (!this.#isCapturedLocal(index)) this.#stack.settle(variable)
    this.#emit(`{ JSValue stepped = ${this.#stepped(variable, name)};`)
    this.#failIf('IS_EXCEPTION(stepped)')
    this.#emit(`aot_set(ctx, &${variable}, stepped); }`)
  }

  #addLocal(index: number): void {
    const stack = this.#stack
    const variable = this.#local(index)
    const value = stack.peek(1)
    this.#emit('{ int32_t sum; JSValue added;')
    this.#emit(
      `if (LIKELY(BOTH_INT(${variable}, ${value.text}) && !__builtin_add_overflow(INT(${variable}), INT(${value.text}), &sum)))`,
    )
    this.#emit('added = MAKE_INT(sum);')
    this.#emit(`else { added = aot_arithmetic(ctx, ${this.#number('add')}, ${variable}, ${value.text}, ${this.#pc()});`)
    this.#failIf('IS_EXCEPTION(added)')
    this.#emit('}')
    stack.pop()
    stack.release(value)
    if (!this.#isCapturedLocal(index)) stack.settle(variable)
    this.#emit(`aot_set(ctx, &${variable}, added); }`)
  }

  // Calls

  #call(count: number, hasThis: boolean): void {
    const stack = this.#stack
    const depth = count + (hasThis ? 2 : 1)
    const operands = stack.entries.slice(stack.entries.length - depth)
    if (operands.some(isMark)) throw new Unsupported('a call with a mark')
    const [first, second] = operands as [Value, Value]
    const made = stack.fresh()
    const texts = operands.slice(depth - count).map(({ text }) => text)
    this.#emit(`frame.pc = ${this.#pc()};`)
    const argv = count === 0 ? 'NULL' : `(JSValue[]){${texts.join(', ')}}`
    const [callee, receiver] = hasThis ? [second.text, first.text] : [first.text, 'JS_UNDEFINED']
    this.#emit(`${made} = aot_call(ctx, ${callee}, ${receiver}, ${count}, ${argv});`)
    this.#failIf(`IS_EXCEPTION(${made})`)
    stack.popMany(depth)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made)
  }

  #construct(count: number): void {
    const stack = this.#stack
    const operands = stack.entries.slice(stack.entries.length - count - 2)
    const [callee, target, ...rest] = operands.map(({ text }) => text)
    const made = stack.fresh()
    this.#emit(`frame.pc = ${this.#pc()};`)
    const argv = count === 0 ? 'NULL' : `(JSValue[]){${rest.join(', ')}}`
    this.#emit(`${made} = aot_construct(ctx, ${callee}, ${target}, ${count}, ${argv});`)
    this.#failIf(`IS_EXCEPTION(${made})`)
    stack.popMany(count + 2)
    for (const operand of operands.reverse()) stack.release(operand)
    stack.pushVariable(made)
  }

  #return(): void {
    const value = this.#stack.pop()
    this.#emit(`result = ${this.#stack.own(value)};`)
    this.#releaseAll()
    this.#emit('goto leave;')
  }

  /** What a return leaves behind on the stack. */
  #releaseAll(): void {
    while (this.#stack.entries.length > 0) {
      const value = this.#stack.pop()
      if (!isMark(value)) this.#stack.release(value)
    }
  }

  // Jumps

  #jump(target: number): void {
    if (target <= this.#now.pc) this.#failIf('aot_poll(ctx)')
    this.#emit(`goto B${target};`)
  }

  #branch(when: boolean, target: number): void {
    const stack = this.#stack
    const value = stack.pop()
    const text = when ? 'is' : '!is'
    this.#emit(`{ int is = ${this.#truth(value)};`)
    stack.release(value)
    // What the entries are in must be the same on both ways.
    stack.flush()
    if (target <= this.#now.pc) {
      this.#emit(`if (${text}) {`)
      this.#jump(target)
      this.#emit('} }')
    } else {
      this.#emit(`if (${text}) goto B${target}; }`)
    }
  }

  #returnFromFinally(): void {
    const stack = this.#stack
    const value = stack.pop()
    this.#emit(`{ int to = INT(${value.text});`)
    stack.release(value)
    stack.flush()
    this.#emit('switch (to) {')
    for (const pc of this.#flow.returns) {
      const block = this.#flow.blocks.find(({ start }) => start === pc)
      if (block !== undefined && block.stack.length === stack.entries.length) this.#emit(`case ${pc}: goto B${pc};`)
    }
    this.#emit('default: __builtin_unreachable(); } }')
  }

  // Iterators

  #iteratorAt(distance: number): readonly [Value, Value] {
    const [iterator, method] = [this.#stack.peek(distance), this.#stack.peek(distance - 1)]
    if (iterator.owner === undefined || method.owner === undefined) throw new Unsupported('an iterator that was moved')
    return [iterator, method]
  }

  #nextOfIterator(offset: number): void {
    const [iterator, method] = this.#iteratorAt(3 + offset)
    this.#emit(`{ JSValue w[4] = {${iterator.text}, ${method.text}};`)
    this.#emit(`int failed = aot_op_for_of_next(ctx, self, w + 2, ${this.#pc()});`)
    this.#emit(`${iterator.owner} = w[0];`)
    this.#failIf('failed')
    this.#stack.pushComputed('w[2]')
    this.#stack.pushComputed('w[3]', 'bool')
    this.#emit('}')
  }

  #callIterator(name: string): void {
    const stack = this.#stack
    const [iterator, method] = this.#iteratorAt(4)
    const value = stack.pop()
    this.#emit(`{ JSValue w[4] = {${iterator.text}, ${method.text}, ${stack.own(value)}};`)
    this.#emit(
      `if (UNLIKELY(aot_op_${name}(ctx, self, w + 3, ${this.#pc()}))) { FREE(w[2]); goto ${this.#landing()}; }`,
    )
    stack.pushComputed('w[2]')
    if (name === 'iterator_call') stack.pushComputed('w[3]', 'bool')
    this.#emit('}')
  }

  #closeIterator(): void {
    const stack = this.#stack
    stack.pop()
    stack.release(stack.pop())
    const iterator = stack.peek(1)
    this.#failIf(`aot_finish_iterator(ctx, ${iterator.text}, ${this.#pc()})`)
    stack.release(stack.pop())
  }

  // Around the body

  #prologue(): string[] {
    const { name, line, index, argumentCount, variableCount, capturedCount } = this.#fn
    const lines = [
      `/* ${name.replace(/[^\w$#.-]/g, '') || 'anonymous'}, line ${line} */`,
      `JSValue ${functionName(index)}(JSContext *ctx, struct aot_object *self, JSValue this_value, int argc, JSValue *argv)`,
      '{',
      'struct aot_bytecode *const b = self->function.bytecode;',
      'const uint8_t *const code = b->code;',
      'struct aot_var_ref **const outer = self->function.outer;',
      'struct aot_frame frame;',
      'JSValue result;',
      ...this.#stack.declarations(),
    ]
    if (this.#isConstructor) lines.push('const JSValue new_target = aot_new_target();')
    lines.push('if (UNLIKELY((uintptr_t)__builtin_frame_address(0) < aot_stack_limit)) return aot_stack_overflow(ctx);')
    if (this.#capturedArguments) lines.push(`JSValue argument[${argumentCount}];`)
    for (let i = 0; i < argumentCount; i++) {
      const value = `argc > ${i} ? argv[${i}] : JS_UNDEFINED`
      const isOwned = this.#ownsArgument(i)
      if (this.#capturedArguments && !this.#isCapturedArgument(i)) lines.push(`argument[${i}] = JS_UNDEFINED;`)
      const declared = this.#isCapturedArgument(i) ? '' : 'JSValue '
      lines.push(`${declared}${this.#argument(i)} = ${isOwned ? `DUP(${value})` : value};`)
    }
    if (this.#capturedLocals) {
      lines.push(`JSValue local[${variableCount}];`)
    }
    for (let i = 0; i < variableCount; i++) {
      lines.push(`${this.#isCapturedLocal(i) ? '' : 'JSValue '}${this.#local(i)} = JS_UNDEFINED;`)
    }
    if (capturedCount > 0) {
      lines.push(`struct aot_var_ref *captured[${capturedCount}];`)
      lines.push(`for (int i = 0; i < ${capturedCount}; i++) captured[i] = NULL;`)
      lines.push('frame.captured = captured;')
    }
    lines.push(
      'frame.previous = *aot_current; frame.function = MAKE_OBJECT(self); frame.pc = NULL; frame.is_strict = true;',
      `frame.arguments = ${this.#capturedArguments ? 'argument' : 'argv'}; frame.argument_count = ${argumentCount};`,
      `frame.variables = ${this.#capturedLocals ? 'local' : 'NULL'}; frame.captured_count = ${capturedCount};`,
      '*aot_current = &frame;',
    )
    return lines
  }

  #epilogue(): string[] {
    const { argumentCount, variableCount, capturedCount } = this.#fn
    const lines = ['leave:']
    if (capturedCount > 0) lines.push('aot_close(ctx, &frame);')
    for (let i = 0; i < argumentCount; i++) if (this.#ownsArgument(i)) lines.push(`FREE(${this.#argument(i)});`)
    for (let i = 0; i < variableCount; i++) lines.push(`FREE(${this.#local(i)});`)
    lines.push('*aot_current = frame.previous;', 'return result;')
    return lines
  }
}

/** The C name of a compiled function. */
export function functionName(index: number): string {
  return `aot_${index}`
}

/** Operands of `special_object` (`OPSpecialObjectEnum`). */
const THIS_FUNCTION = 2
const NEW_TARGET = 3
const HOME_OBJECT = 4
const NULL_PROTOTYPE = 7

/** For two integers: when the fast way holds besides, and its result. */
const ARITHMETIC: Readonly<Record<string, (a: string, b: string) => readonly [string, string]>> = {
  add: (a, b) => [`!__builtin_add_overflow(INT(${a}), INT(${b}), &sum)`, 'MAKE_INT(sum)'],
  sub: (a, b) => [`!__builtin_sub_overflow(INT(${a}), INT(${b}), &sum)`, 'MAKE_INT(sum)'],
  // A product of zero may be minus zero.
  mul: (a, b) => [`!__builtin_mul_overflow(INT(${a}), INT(${b}), &sum) && sum != 0`, 'MAKE_INT(sum)'],
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

const COMPARISONS: Readonly<Record<string, string>> = { lt: '<', lte: '<=', gt: '>', gte: '>=', eq: '==', neq: '!=' }
