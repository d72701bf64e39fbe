/**
 * Compiles one function's bytecode to one C function.
 *
 * The C function does what the interpreter would do, instruction by instruction, but without its stack: which values are
 * where is decided here. `native/aot/aot.h` has the vocabulary. Anything rare goes through a function of the engine; what
 * this compiler does not know makes the whole function stay interpreted.
 */
import type { FunctionCode } from './bytecode.ts'
import { emitCall, emitConstruct, emitReturn, releaseAll } from './calls.ts'
import { Emitter, type Sites } from './emitter.ts'
import { type Flow, flowOf, type Instruction, isEnd, note, SHUFFLES, Unsupported } from './flow.ts'
import { Frame, NEW_TARGET } from './frame.ts'
import { callIterator, closeIterator, nextOfIterator } from './iterators.ts'
import type { OpcodeTable } from './opcodes.ts'
import { OPERATIONS } from './operations.ts'
import {
  ARITHMETIC,
  addLocal,
  arithmetic,
  COMPARISONS,
  compare,
  postStep,
  step,
  stepLocal,
  unary,
} from './operators.ts'
import type { IsSteady } from './steady.ts'
import { isMark, type Value } from './values.ts'

/** The C text of a function; throws `Unsupported` when it has to stay interpreted. */
export function compileFunction(fn: FunctionCode, opcodes: OpcodeTable, isSteady: IsSteady, sites: Sites): string {
  if (!fn.isNormal) throw new Unsupported('a generator or an async function')
  if (!fn.isStrict) throw new Unsupported('a function in sloppy mode')
  return new FunctionCompiler(fn, opcodes, isSteady, sites).compile()
}

class FunctionCompiler {
  readonly #fn: FunctionCode
  readonly #flow: Flow
  readonly #frame: Frame
  readonly #e: Emitter
  readonly #isSteady: IsSteady
  readonly #leaders: ReadonlySet<number>
  #initialised = new Set<number>()

  constructor(fn: FunctionCode, opcodes: OpcodeTable, isSteady: IsSteady, sites: Sites) {
    this.#fn = fn
    this.#flow = flowOf(fn, opcodes)
    this.#frame = new Frame(fn, [...this.#flow.instructions.values()])
    this.#e = new Emitter(this.#flow, new Map(opcodes.map(({ name, code }) => [name, code])), sites)
    this.#isSteady = isSteady
    this.#leaders = new Set(this.#flow.blocks.map(({ start }) => start))
  }

  compile(): string {
    for (const [index, block] of this.#flow.blocks.entries()) {
      this.#initialised = new Set(block.initialised)
      this.#e.stack.begin(block.stack)
      this.#e.emit(`B${block.start}:;`)
      this.#block(block.start, this.#flow.blocks[index + 1]?.start)
    }
    const body = [...this.#e.stack.lines]
    this.#e.stack.lines.length = 0
    this.#e.unwinding()
    return [
      ...this.#frame.prologue(this.#e.stack.declarations()),
      ...body,
      ...this.#e.stack.lines,
      ...this.#frame.epilogue(),
      '}',
    ].join('\n')
  }

  #block(start: number, following: number | undefined): void {
    for (let pc = start; ; ) {
      const instruction = this.#flow.instructions.get(pc) as Instruction
      this.#e.now = instruction
      this.#instruction(instruction)
      note(instruction, this.#initialised)
      if (isEnd(instruction) || instruction.name === 'gosub') break
      pc = instruction.next
      if (this.#leaders.has(pc)) {
        this.#e.stack.flush()
        if (pc !== following) this.#e.emit(`goto B${pc};`)
        break
      }
    }
    this.#e.stack.end()
  }

  #get(variable: string, isShared: boolean): void {
    if (isShared) this.#e.stack.pushComputed(`DUP(${variable})`)
    else this.#e.stack.push({ text: variable, type: 'any', lender: variable })
  }

  #getOuter(index: number): void {
    const value = `*outer[${index}]->value`
    if (!this.#isSteady(this.#fn, index)) {
      this.#e.stack.pushComputed(`DUP(${value})`)
      return
    }
    const made = this.#e.stack.fresh()
    this.#e.emit(`${made} = ${value};`)
    this.#e.stack.pushBorrowed(made)
  }

  #put(variable: string, value: Value, isShared: boolean): void {
    if (!isShared) this.#e.stack.settle(variable)
    this.#e.emit(`aot_set(ctx, &${variable}, ${this.#e.stack.own(value)});`)
  }

  /** Leaves a copy of a variable that was just set. */
  #set(variable: string, isShared: boolean): void {
    const value = this.#e.stack.pop()
    this.#put(variable, this.#e.stack.alias(value), isShared)
    this.#e.stack.push(value)
  }

  #checkInitialised(variable: string, index: number, isOuter: boolean): void {
    if (!isOuter && this.#initialised.has(index)) return
    this.#e.emit(`if (UNLIKELY(TAG(${variable}) == JS_TAG_UNINITIALIZED)) {`)
    this.#e.emit(
      `aot_throw_uninitialized(ctx, self, ${index}, ${isOuter}, ${this.#e.pc()}); goto ${this.#e.landing()}; }`,
    )
  }

  #instruction({ name, operand }: Instruction): void {
    const stack = this.#e.stack
    const shuffle = SHUFFLES[name]
    if (shuffle !== undefined) {
      this.#shuffle(shuffle.takes, shuffle.gives)
      return
    }
    const operation = OPERATIONS[name]
    if (operation !== undefined) {
      const elements = name === 'array_from' ? operand : operation.takes
      this.#e.operation(name, elements, operation.gives)
      return
    }
    const binary = ARITHMETIC[name]
    if (binary !== undefined) {
      arithmetic(this.#e, name, binary)
      return
    }
    const comparison = COMPARISONS[name]
    if (comparison !== undefined) {
      compare(this.#e, name, comparison)
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
        this.#e.checkResult()
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
        this.#e.emit(`${made} = aot_text(ctx, &text[${this.#e.sites.texts++}], ${this.#e.pc()});`)
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
        this.#e.checkResult()
        return
      case 'get_loc':
        this.#get(this.#frame.local(operand), this.#frame.isCapturedLocal(operand))
        return
      case 'get_loc0_loc1':
        this.#get(this.#frame.local(0), this.#frame.isCapturedLocal(0))
        this.#get(this.#frame.local(1), this.#frame.isCapturedLocal(1))
        return
      case 'get_loc_check':
        this.#checkInitialised(this.#frame.local(operand), operand, false)
        this.#get(this.#frame.local(operand), this.#frame.isCapturedLocal(operand))
        return
      case 'put_loc_check':
        this.#checkInitialised(this.#frame.local(operand), operand, false)
        this.#put(this.#frame.local(operand), stack.pop(), this.#frame.isCapturedLocal(operand))
        return
      case 'put_loc':
        this.#put(this.#frame.local(operand), stack.pop(), this.#frame.isCapturedLocal(operand))
        return
      case 'put_loc_check_init':
        this.#e.emit(`if (UNLIKELY(TAG(${this.#frame.local(operand)}) != JS_TAG_UNINITIALIZED)) {`)
        this.#e.emit(`aot_throw_reference_error(ctx, ${this.#e.pc()}); goto ${this.#e.landing()}; }`)
        this.#put(this.#frame.local(operand), stack.pop(), this.#frame.isCapturedLocal(operand))
        return
      case 'set_loc':
        this.#set(this.#frame.local(operand), this.#frame.isCapturedLocal(operand))
        return
      case 'set_loc_uninitialized':
        this.#put(
          this.#frame.local(operand),
          { text: 'JS_UNINITIALIZED', type: 'plain' },
          this.#frame.isCapturedLocal(operand),
        )
        return
      case 'close_loc':
        this.#e.emit(`aot_close_variable(ctx, self, ${operand});`)
        return
      case 'get_arg':
        this.#get(this.#frame.argument(operand), this.#frame.isCapturedArgument(operand))
        return
      case 'put_arg':
        this.#put(this.#frame.argument(operand), stack.pop(), this.#frame.isCapturedArgument(operand))
        return
      case 'set_arg':
        this.#set(this.#frame.argument(operand), this.#frame.isCapturedArgument(operand))
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
        this.#e.emit(`aot_set(ctx, outer[${operand}]->value, ${stack.own(stack.pop())});`)
        return
      case 'put_var_ref':
        this.#e.emit(`aot_set(ctx, outer[${operand}]->value, ${stack.own(stack.pop())});`)
        return
      case 'set_var_ref': {
        const value = stack.pop()
        this.#e.emit(`aot_set(ctx, outer[${operand}]->value, ${stack.own(stack.alias(value))});`)
        stack.push(value)
        return
      }
      case 'add_loc':
        addLocal(this.#e, this.#frame.local(operand), this.#frame.isCapturedLocal(operand))
        return
      case 'inc_loc':
      case 'dec_loc':
        stepLocal(
          this.#e,
          this.#frame.local(operand),
          this.#frame.isCapturedLocal(operand),
          name === 'inc_loc' ? 'inc' : 'dec',
        )
        return
      case 'inc':
      case 'dec':
        step(this.#e, name)
        return
      case 'post_inc':
      case 'post_dec':
        postStep(this.#e, name === 'post_inc' ? 'inc' : 'dec')
        return
      case 'neg':
      case 'plus':
      case 'not':
        unary(this.#e, name)
        return
      case 'lnot': {
        const value = stack.pop()
        const made = stack.fresh()
        this.#e.emit(`${made} = MAKE_BOOL(!${this.#e.truth(value)});`)
        stack.release(value)
        stack.pushVariable(made, 'bool')
        return
      }
      case 'typeof':
        this.#e.computeFrom(1, ([value]) => `aot_typeof(ctx, ${value})`)
        return
      case 'strict_eq':
      case 'strict_neq':
        this.#e.computeFrom(
          2,
          ([a, b]) => `MAKE_BOOL(${name === 'strict_eq' ? '' : '!'}aot_strict_equals(ctx, ${a}, ${b}))`,
          'bool',
        )
        return
      case 'is_undefined':
        this.#e.computeFrom(1, ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_UNDEFINED)`, 'bool')
        return
      case 'is_null':
        this.#e.computeFrom(1, ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_NULL)`, 'bool')
        return
      case 'is_undefined_or_null':
        this.#e.computeFrom(
          1,
          ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_UNDEFINED || TAG(${value}) == JS_TAG_NULL)`,
          'bool',
        )
        return
      case 'typeof_is_function':
        this.#e.computeFrom(1, ([value]) => `MAKE_BOOL(aot_is_function(ctx, ${value}))`, 'bool')
        return
      case 'typeof_is_undefined':
        this.#e.computeFrom(1, ([value]) => `MAKE_BOOL(TAG(${value}) == JS_TAG_UNDEFINED)`, 'bool')
        return
      case 'get_field':
        this.#e.fallibleFrom(1, ([object]) => `aot_get(ctx, ${object}, ${this.#e.site()}, ${this.#e.pc()})`)
        return
      case 'get_length':
        this.#e.fallibleFrom(1, ([object]) => `aot_get_length(ctx, ${object}, ${this.#e.site()}, ${this.#e.pc()})`)
        return
      case 'get_array_el':
        this.#e.fallibleFrom(2, ([object, index]) => `aot_get_element(ctx, ${object}, ${index}, ${this.#e.pc()})`)
        return
      case 'get_field2': {
        const object = stack.peek(1)
        stack.pushComputed(`aot_get_method(ctx, ${object.text}, ${this.#e.site()}, ${this.#e.pc()})`)
        this.#e.checkResult()
        return
      }
      case 'put_field':
        this.#e.perform(2, ([object, value]) => `aot_put(ctx, ${object}, ${value}, ${this.#e.site()}, ${this.#e.pc()})`)
        return
      case 'put_array_el':
        this.#e.perform(
          3,
          ([object, index, value]) => `aot_put_element(ctx, ${object}, ${index}, ${value}, ${this.#e.pc()})`,
        )
        return
      case 'define_field': {
        const [object, value] = [stack.peek(2), stack.peek(1)]
        this.#e.failIf(`aot_define(ctx, ${object.text}, ${value.text}, ${this.#e.site()}, ${this.#e.pc()}) < 0`)
        stack.release(stack.pop())
        return
      }
      case 'get_var':
      case 'get_var_undef':
        stack.pushComputed(`aot_get_global(ctx, ${this.#e.site()}, ${this.#e.pc()}, ${name === 'get_var'})`)
        this.#e.checkResult()
        return
      case 'call':
      case 'tail_call':
        emitCall(this.#e, operand, false)
        if (name === 'tail_call') emitReturn(this.#e)
        return
      case 'call_method':
      case 'tail_call_method':
        emitCall(this.#e, operand, true)
        if (name === 'tail_call_method') emitReturn(this.#e)
        return
      case 'call_constructor':
        emitConstruct(this.#e, operand)
        return
      case 'return':
        emitReturn(this.#e)
        return
      case 'return_undef':
        this.#e.emit('result = JS_UNDEFINED;')
        releaseAll(this.#e)
        this.#e.emit('goto leave;')
        return
      case 'throw': {
        const value = stack.pop()
        this.#e.emit(`aot_throw(ctx, ${value.text}, ${this.#e.pc()});`)
        stack.release(value)
        this.#e.emit(`goto ${this.#e.landing()};`)
        return
      }
      case 'check_ctor':
        this.#e.emit('if (UNLIKELY(TAG(new_target) == JS_TAG_UNDEFINED)) {')
        this.#e.emit(`aot_throw_type_error(ctx, "class constructors must be invoked with 'new'", ${this.#e.pc()});`)
        this.#e.emit(`goto ${this.#e.landing()}; }`)
        return
      case 'init_ctor':
        this.#e.emit(`frame.pc = ${this.#e.pc()};`)
        stack.pushComputed('aot_init_constructor(ctx, self, new_target, argc, argv)')
        this.#e.checkResult()
        return
      case 'check_ctor_return': {
        const value = stack.peek(1)
        this.#e.emit(`if (UNLIKELY(TAG(${value.text}) != JS_TAG_OBJECT && TAG(${value.text}) != JS_TAG_UNDEFINED)) {`)
        this.#e.emit('aot_throw_type_error(ctx, "derived class constructor must return an object or undefined", ')
        this.#e.emit(`${this.#e.pc()}); goto ${this.#e.landing()}; }`)
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
        stack.push({ text: `MAKE_INT(${this.#e.now.next})`, type: 'int' })
        stack.flush()
        this.#e.emit(`goto B${operand};`)
        return
      case 'ret':
        this.#returnFromFinally()
        return
      case 'copy_data_properties': {
        const reached = stack.entries.slice(-8)
        const texts = reached.map((value) => (isMark(value) ? 'JS_UNDEFINED' : value.text))
        this.#e.emit(`{ JSValue w[] = {${texts.join(', ')}};`)
        this.#e.failIf(`aot_op_copy_data_properties(ctx, self, w + ${reached.length}, ${this.#e.pc()})`)
        this.#e.emit('}')
        return
      }
      case 'for_of_start':
        this.#e.operation('for_of_start', 1, 2)
        stack.push({ text: '', type: 'plain', handler: 0 })
        return
      case 'for_of_next':
        nextOfIterator(this.#e, operand)
        return
      case 'iterator_next':
      case 'iterator_call':
        callIterator(this.#e, name)
        return
      case 'iterator_close':
        closeIterator(this.#e)
        return
      default:
        throw new Unsupported(name)
    }
  }

  #shuffle(takes: number, gives: readonly number[]): void {
    const stack = this.#e.stack
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
      this.#e.stack.push({ text: `b->constants[${index}]`, type: 'plain' })
    } else {
      this.#e.stack.push({ text: `b->constants[${index}]`, type: constant?.kind === 'number' ? 'plain' : 'any' })
    }
  }

  #special(kind: number): void {
    if (kind === THIS_FUNCTION) this.#e.stack.push({ text: 'MAKE_OBJECT(self)', type: 'any' })
    else if (kind === NEW_TARGET) this.#e.stack.push({ text: 'new_target', type: 'any' })
    else if (kind === HOME_OBJECT) this.#e.stack.pushComputed('aot_home_object(self)')
    else if (kind === NULL_PROTOTYPE) this.#e.operation('null_object', 0, 1)
    else throw new Unsupported(`special_object ${kind}`)
  }

  #jump(target: number): void {
    if (target <= this.#e.now.pc) this.#e.failIf('aot_poll(ctx)')
    this.#e.emit(`goto B${target};`)
  }

  #branch(when: boolean, target: number): void {
    const stack = this.#e.stack
    const value = stack.pop()
    const text = when ? 'is' : '!is'
    this.#e.emit(`{ int is = ${this.#e.truth(value)};`)
    stack.release(value)
    // What the entries are in must be the same on both ways.
    stack.flush()
    if (target <= this.#e.now.pc) {
      this.#e.emit(`if (${text}) {`)
      this.#jump(target)
      this.#e.emit('} }')
    } else {
      this.#e.emit(`if (${text}) goto B${target}; }`)
    }
  }

  #returnFromFinally(): void {
    const stack = this.#e.stack
    const value = stack.pop()
    this.#e.emit(`{ int to = INT(${value.text});`)
    stack.release(value)
    stack.flush()
    this.#e.emit('switch (to) {')
    for (const pc of this.#flow.returns) {
      const block = this.#flow.blocks.find(({ start }) => start === pc)
      if (block !== undefined && block.stack.length === stack.entries.length) this.#e.emit(`case ${pc}: goto B${pc};`)
    }
    this.#e.emit('default: __builtin_unreachable(); } }')
  }
}

/** Operands of `special_object` (`OPSpecialObjectEnum`). */
const THIS_FUNCTION = 2
const HOME_OBJECT = 4
const NULL_PROTOTYPE = 7
