/**
 * The engine's instructions, read from its own header (`quickjs-opcode.h`), so that the table is that of the engine which
 * wrote the bytecode.
 */

/** One instruction. */
export interface Opcode {
  readonly code: number
  /** As in the header: `get_field`. */
  readonly name: string
  /** Octets, the operation code included. */
  readonly size: number
  /** Values taken off the stack; the arguments of a call are not counted. */
  readonly pops: number
  readonly pushes: number
  /** What its operands are: `atom`, `label8`, `npop`... */
  readonly format: string
}

/** Instructions by their operation code. */
export type OpcodeTable = readonly Opcode[]

/**
 * Only `DEF` makes an instruction of the final bytecode; `def`, in lower case, makes those that the engine's compiler uses
 * between its phases.
 */
const DEFINITION = /^DEF\(\s*(\w+),\s*(\d+),\s*(\d+),\s*(\d+),\s*(\w+)\)/gm

/** The table of a header's text. */
export function parseOpcodes(header: string): OpcodeTable {
  return [...header.matchAll(DEFINITION)].map(([, name, size, pops, pushes, format], code) => ({
    code,
    name: name as string,
    size: Number(size),
    pops: Number(pops),
    pushes: Number(pushes),
    format: format as string,
  }))
}

/** How many atoms the engine knows before it reads a program (`quickjs-atom.h`): the first number that is free. */
export function parseFirstAtom(header: string): number {
  return [...header.matchAll(/^DEF\(/gm)].length + 1
}
