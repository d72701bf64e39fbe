/** The variables of a compiled function, and what stands before and behind its body. */
import type { FunctionCode } from './bytecode.ts'
import type { Instruction } from './flow.ts'

/** The C name of a compiled function. */
export function functionName(index: number): string {
  return `aot_${index}`
}

/** The operand of `special_object` for new.target (`OPSpecialObjectEnum`). */
export const NEW_TARGET = 3

/**
 * Where a function's variables are. Those that closures use lie in arrays, where the engine looks for them, and may change
 * with any call; the others are variables of C.
 */
export class Frame {
  private readonly fn: FunctionCode
  private readonly capturedArguments: boolean
  private readonly capturedLocals: boolean
  private readonly changedArguments: ReadonlySet<number>
  private readonly isConstructor: boolean

  constructor(fn: FunctionCode, instructions: readonly Instruction[]) {
    this.fn = fn
    this.capturedArguments = fn.variables.slice(0, fn.argumentCount).some((one) => one.capturedAs !== undefined)
    this.capturedLocals = fn.variables.slice(fn.argumentCount).some((one) => one.capturedAs !== undefined)
    this.changedArguments = new Set(
      instructions.filter(({ name }) => name === 'put_arg' || name === 'set_arg').map(({ operand }) => operand),
    )
    this.isConstructor = instructions.some(
      ({ name, operand }) =>
        name === 'check_ctor' || name === 'init_ctor' || (name === 'special_object' && operand === NEW_TARGET),
    )
  }

  isCapturedLocal(index: number): boolean {
    return this.fn.variables[this.fn.argumentCount + index]?.capturedAs !== undefined
  }

  isCapturedArgument(index: number): boolean {
    return index < this.fn.argumentCount && this.fn.variables[index]?.capturedAs !== undefined
  }

  local(index: number): string {
    return this.isCapturedLocal(index) ? `local[${index}]` : `l${index}`
  }

  argument(index: number): string {
    return this.isCapturedArgument(index) ? `argument[${index}]` : `a${index}`
  }

  /** True when the C function has its own reference to an argument. */
  private ownsArgument(index: number): boolean {
    return this.isCapturedArgument(index) || this.changedArguments.has(index)
  }

  prologue(declarations: readonly string[]): string[] {
    const { name, line, index, argumentCount, variableCount, capturedCount } = this.fn
    const lines = [
      `/* ${name.replace(/[^\w$#.-]/g, '') || 'anonymous'}, line ${line} */`,
      `JSValue ${functionName(index)}(JSContext *ctx, struct aot_object *self, JSValue this_value, int argc, JSValue *argv)`,
      '{',
      'struct aot_bytecode *const b = self->function.bytecode;',
      'const uint8_t *const code = b->code;',
      'struct aot_var_ref **const outer = self->function.outer;',
      'struct aot_frame frame;',
      'JSValue result;',
      ...declarations,
    ]
    if (this.isConstructor) lines.push('const JSValue new_target = aot_new_target();')
    lines.push('if (UNLIKELY((uintptr_t)__builtin_frame_address(0) < aot_stack_limit)) return aot_stack_overflow(ctx);')
    if (this.capturedArguments) lines.push(`JSValue argument[${argumentCount}];`)
    for (let i = 0; i < argumentCount; i++) {
      const value = `argc > ${i} ? argv[${i}] : JS_UNDEFINED`
      const isOwned = this.ownsArgument(i)
      if (this.capturedArguments && !this.isCapturedArgument(i)) lines.push(`argument[${i}] = JS_UNDEFINED;`)
      const declared = this.isCapturedArgument(i) ? '' : 'JSValue '
      lines.push(`${declared}${this.argument(i)} = ${isOwned ? `DUP(${value})` : value};`)
    }
    if (this.capturedLocals) {
      lines.push(`JSValue local[${variableCount}];`)
    }
    for (let i = 0; i < variableCount; i++) {
      lines.push(`${this.isCapturedLocal(i) ? '' : 'JSValue '}${this.local(i)} = JS_UNDEFINED;`)
    }
    if (capturedCount > 0) {
      lines.push(`struct aot_var_ref *captured[${capturedCount}];`)
      lines.push(`for (int i = 0; i < ${capturedCount}; i++) captured[i] = NULL;`)
      lines.push('frame.captured = captured;')
    }
    lines.push(
      'frame.previous = *aot_current; frame.function = MAKE_OBJECT(self); frame.pc = NULL; frame.is_strict = true;',
      `frame.arguments = ${this.capturedArguments ? 'argument' : 'argv'}; frame.argument_count = ${argumentCount};`,
      `frame.variables = ${this.capturedLocals ? 'local' : 'NULL'}; frame.captured_count = ${capturedCount};`,
      '*aot_current = &frame;',
    )
    return lines
  }

  epilogue(): string[] {
    const { argumentCount, variableCount, capturedCount } = this.fn
    const lines = ['leave:']
    if (capturedCount > 0) lines.push('aot_close(ctx, &frame);')
    for (let i = 0; i < argumentCount; i++) if (this.ownsArgument(i)) lines.push(`FREE(${this.argument(i)});`)
    for (let i = 0; i < variableCount; i++) lines.push(`FREE(${this.local(i)});`)
    lines.push('*aot_current = frame.previous;', 'return result;')
    return lines
  }
}
