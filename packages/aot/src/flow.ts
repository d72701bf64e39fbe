/**
 * How control flows through a function's bytecode: its basic blocks, what lies on the stack where each begins, and which
 * variables are certainly initialised there.
 */
import type { FunctionCode } from './bytecode.ts'
import type { Opcode, OpcodeTable } from './opcodes.ts'

/** An instruction with its operands. */
export interface Instruction {
  readonly opcode: Opcode
  readonly name: string
  /** Where it begins, and where the next one does. */
  readonly pc: number
  readonly next: number
  /** Its first operand: a number, an index, a count; for jumps the place they lead to. */
  readonly operand: number
}

/**
 * What lies on the engine's stack: a value, or a mark. The mark of a `try` names its handler; that of an iterator (0) says
 * that the two values below it are to be closed when an exception passes.
 */
export type Slot = 'value' | { readonly handler: number }

/** Where control may arrive from elsewhere. */
export interface Block {
  readonly start: number
  readonly stack: readonly Slot[]
  readonly initialised: ReadonlySet<number>
}

/** A function taken apart. */
export interface Flow {
  readonly instructions: ReadonlyMap<number, Instruction>
  /** In the order of the code; what cannot be reached is not here. */
  readonly blocks: readonly Block[]
  /** Where each `gosub` goes on afterwards. */
  readonly returns: readonly number[]
}

/** Instructions that this compiler leaves to the interpreter, and with them the function they are in. */
export class Unsupported extends Error {}

const IMPLIED = /^(.*?)(\d)$/
const SHORT = new Set(['get_loc', 'put_loc', 'set_loc', 'get_arg', 'put_arg', 'set_arg', 'get_var_ref', 'put_var_ref'])
SHORT.add('set_var_ref')

/** Takes a function's code apart into instructions; short forms get the name of the long one. */
export function decode(code: Uint8Array, opcodes: OpcodeTable): Map<number, Instruction> {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength)
  const decoded = new Map<number, Instruction>()
  for (let pc = 0; pc < code.length; ) {
    const opcode = opcodes[code[pc] as number] as Opcode
    const next = pc + opcode.size
    const operand = operandOf(view, pc, opcode)
    decoded.set(pc, { opcode, name: longName(opcode.name), pc, next, operand })
    pc = next
  }
  return decoded
}

function longName(name: string): string {
  const plain = name.replace(/^((?:get|put|set)_loc|push_const|fclosure|if_true|if_false|goto)(?:8|16)$/, '$1')
  const [, base, digit] = IMPLIED.exec(plain) ?? []
  if (base !== undefined && digit !== undefined && (SHORT.has(base) || base === 'call')) return base
  return /^push_(minus1|[0-7]|i8|i16|i32)$/.test(plain) ? 'push_i32' : plain
}

function operandOf(view: DataView, pc: number, { format, name }: Opcode): number {
  const at = pc + 1
  switch (format) {
    case 'none_int':
      return name === 'push_minus1' ? -1 : Number(name.at(-1))
    case 'none_loc':
    case 'none_arg':
    case 'none_var_ref':
    case 'npopx':
      return Number(name.at(-1))
    case 'u8':
    case 'loc8':
    case 'const8':
      return view.getUint8(at)
    case 'i8':
      return view.getInt8(at)
    case 'label8':
      return at + view.getInt8(at)
    case 'u16':
    case 'npop':
    case 'npop_u16':
    case 'loc':
    case 'arg':
    case 'var_ref':
      return view.getUint16(at, true)
    case 'i16':
      return view.getInt16(at, true)
    case 'label16':
      return at + view.getInt16(at, true)
    case 'label':
      return at + view.getInt32(at, true)
    case 'i32':
    case 'u32':
    case 'const':
    case 'atom':
    case 'atom_u8':
    case 'atom_u16':
      return view.getInt32(at, true)
    default:
      return 0
  }
}

/** Where control goes after an instruction that does not simply go on. */
const ENDS = new Set(['return', 'return_undef', 'throw', 'throw_error', 'goto', 'ret', 'tail_call', 'tail_call_method'])

/** True for instructions after which the next one is not reached. */
export function isEnd({ name }: Instruction): boolean {
  return ENDS.has(name)
}

interface State {
  readonly stack: readonly Slot[]
  readonly initialised: ReadonlySet<number>
}

/** Finds a function's blocks. */
export function flowOf(fn: FunctionCode, opcodes: OpcodeTable): Flow {
  const instructions = decode(fn.code, opcodes)
  const returns = [...instructions.values()].filter(({ name }) => name === 'gosub').map(({ next }) => next)
  const leaders = new Set([0, ...returns])
  for (const { name, operand, opcode } of instructions.values()) {
    if (opcode.format.startsWith('label')) leaders.add(operand)
    if (name === 'catch') leaders.add(operand)
  }
  const entries = new Map<number, State>()
  const work: number[] = []
  const reach = (pc: number, { stack, initialised }: State) => {
    const known = entries.get(pc)
    if (known === undefined) {
      entries.set(pc, { stack: [...stack], initialised: new Set(initialised) })
      work.push(pc)
      return
    }
    if (known.stack.length !== stack.length) throw new Unsupported(`two depths of the stack at ${pc}`)
    const both = new Set([...known.initialised].filter((index) => initialised.has(index)))
    if (both.size === known.initialised.size) return
    entries.set(pc, { stack: known.stack, initialised: both })
    work.push(pc)
  }
  const all = new Set(Array.from({ length: fn.variableCount }, (_, index) => index))
  reach(0, { stack: [], initialised: all })
  for (let start = work.pop(); start !== undefined; start = work.pop()) {
    const entry = entries.get(start) as State
    const stack = [...entry.stack]
    const initialised = new Set(entry.initialised)
    for (let pc = start; ; ) {
      const instruction = instructions.get(pc)
      if (instruction === undefined) throw new Unsupported(`control runs past the end at ${pc}`)
      const { name, operand, next } = instruction
      if (name === 'catch') reach(operand, { stack: [...stack, 'value'], initialised: NOTHING_CERTAIN })
      if (name === 'gosub') reach(operand, { stack: [...stack, 'value'], initialised: NOTHING_CERTAIN })
      step(instruction, stack)
      note(instruction, initialised)
      if (name === 'goto' || name === 'if_true' || name === 'if_false') reach(operand, { stack, initialised })
      // What a finally block did to the stack is undone when it returns: every gosub goes on as it was.
      if (name === 'gosub') {
        reach(next, { stack, initialised: NOTHING_CERTAIN })
        break
      }
      if (isEnd(instruction)) break
      if (leaders.has(next)) {
        reach(next, { stack, initialised })
        break
      }
      pc = next
    }
  }
  const blocks = [...entries].map(([start, entry]) => ({ start, ...entry })).sort((a, b) => a.start - b.start)
  return { instructions, blocks, returns }
}

/** A `try` may be left anywhere, and a `finally` reached from anywhere. */
const NOTHING_CERTAIN: ReadonlySet<number> = new Set()

/** What an instruction does to the variables that are known to be initialised. */
export function note({ name, operand }: Instruction, initialised: Set<number>): void {
  if (name === 'set_loc_uninitialized') initialised.delete(operand)
  else if (/^(put_loc|set_loc|get_loc_check|put_loc_check|put_loc_check_init)$/.test(name)) initialised.add(operand)
}

/** What an instruction does to the stack. */
function step({ name, opcode, operand }: Instruction, stack: Slot[]): void {
  const pop = (count: number) => {
    if (count > stack.length) throw new Unsupported(`${name} takes more than there is`)
    return stack.splice(stack.length - count, count)
  }
  switch (name) {
    case 'catch':
      stack.push({ handler: operand })
      return
    case 'for_of_start':
      pop(1)
      stack.push('value', 'value', { handler: 0 })
      return
    case 'nip_catch': {
      pop(1)
      while (stack.length > 0 && typeof stack.at(-1) !== 'object') stack.pop()
      if (stack.length === 0) throw new Unsupported('nip_catch without a mark')
      stack.pop()
      stack.push('value')
      return
    }
    case 'call':
    case 'tail_call':
    case 'call_method':
    case 'tail_call_method':
    case 'call_constructor':
    case 'array_from':
      pop(operand)
      break
    case 'gosub':
      return
  }
  const shuffled = SHUFFLES[name]
  if (shuffled !== undefined) {
    const taken = pop(shuffled.takes)
    for (const index of shuffled.gives) stack.push(taken[index] as Slot)
    return
  }
  const taken = pop(opcode.pops)
  // Instructions of iterators reach below a mark: what they only look at stays what it was.
  for (let i = 0; i < opcode.pushes; i++) stack.push(i < taken.length ? (taken[i] as Slot) : 'value')
  if (opcode.pops > 0 && opcode.pushes > 0 && !REACHES.has(name)) {
    for (let i = 1; i <= opcode.pushes; i++) stack[stack.length - i] = 'value'
  }
}

const REACHES = new Set(['for_of_next', 'iterator_next', 'iterator_call'])

/** Instructions that only move values: how many they take, and which of these, counted from the bottom, they leave. */
export const SHUFFLES: Readonly<Record<string, { readonly takes: number; readonly gives: readonly number[] }>> = {
  drop: { takes: 1, gives: [] },
  nip: { takes: 2, gives: [1] },
  nip1: { takes: 3, gives: [1, 2] },
  dup: { takes: 1, gives: [0, 0] },
  dup1: { takes: 2, gives: [0, 0, 1] },
  dup2: { takes: 2, gives: [0, 1, 0, 1] },
  dup3: { takes: 3, gives: [0, 1, 2, 0, 1, 2] },
  insert2: { takes: 2, gives: [1, 0, 1] },
  insert3: { takes: 3, gives: [2, 0, 1, 2] },
  insert4: { takes: 4, gives: [3, 0, 1, 2, 3] },
  perm3: { takes: 3, gives: [1, 0, 2] },
  perm4: { takes: 4, gives: [2, 0, 1, 3] },
  perm5: { takes: 5, gives: [3, 0, 1, 2, 4] },
  swap: { takes: 2, gives: [1, 0] },
  swap2: { takes: 4, gives: [2, 3, 0, 1] },
  rot3l: { takes: 3, gives: [1, 2, 0] },
  rot3r: { takes: 3, gives: [2, 0, 1] },
  rot4l: { takes: 4, gives: [1, 2, 3, 0] },
  rot5l: { takes: 5, gives: [1, 2, 3, 4, 0] },
}
