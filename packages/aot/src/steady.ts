/**
 * Which variables of outer scopes keep their value once they have one: their readers need no reference of their own.
 * Constants do; and so do the variables of the module itself that are set in one place outside of loops, for the module
 * runs once. (Bundlers make `var` of every class, function and constant at the top.)
 */
import { CLOSURE, type FunctionCode, type ModuleCode } from './bytecode.ts'
import { decode } from './flow.ts'
import type { OpcodeTable } from './opcodes.ts'

/** Tells whether a function's outer variable is steady. */
export type IsSteady = (fn: FunctionCode, outer: number) => boolean

const WRITES = /^(?:put|set)_var_ref(?:_check)?(?:_init)?$/

/** Looks at all writes of a module. */
export function findSteady(module: ModuleCode, opcodes: OpcodeTable): IsSteady {
  const top = module.functions[0] as FunctionCode
  const writes = new Map<number, number>()
  for (const fn of module.functions) {
    const instructions = [...decode(fn.code, opcodes).values()]
    const loops = instructions.filter(({ opcode, operand, pc }) => opcode.format.startsWith('label') && operand <= pc)
    for (const { name, operand, pc } of instructions) {
      if (!WRITES.test(name)) continue
      const variable = variableOfModule(fn, operand, top)
      if (variable === undefined) continue
      const isOnce = fn === top && !loops.some((loop) => loop.operand <= pc && pc <= loop.pc)
      writes.set(variable, (writes.get(variable) ?? 0) + (isOnce ? 1 : 2))
    }
  }
  return (fn, outer) => {
    if (fn.closure[outer]?.isConst === true) return true
    const variable = variableOfModule(fn, outer, top)
    return variable !== undefined && (writes.get(variable) ?? 0) <= 1
  }
}

/** The module's own variable that a function knows as an outer one. */
function variableOfModule(fn: FunctionCode, outer: number, top: FunctionCode): number | undefined {
  let [at, index]: [FunctionCode | undefined, number] = [fn, outer]
  while (at !== top) {
    const variable: FunctionCode['closure'][number] | undefined = at?.closure[index]
    if (variable === undefined || (variable.type !== CLOSURE.ref && variable.type !== CLOSURE.globalRef))
      return undefined
    index = variable.index
    at = at?.parent
  }
  return index
}
