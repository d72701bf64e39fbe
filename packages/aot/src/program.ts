/** Compiles a program: its functions to C files of a bearable size, and the table by which the engine finds them. */
import type { FunctionCode, ModuleCode } from './bytecode.ts'
import type { Sites } from './emitter.ts'
import { Unsupported } from './flow.ts'
import { functionName } from './frame.ts'
import { compileFunction } from './function.ts'
import type { OpcodeTable } from './opcodes.ts'
import { findSteady } from './steady.ts'

/** What became of a program. */
export interface CompiledProgram {
  /** C files by name. */
  readonly files: ReadonlyMap<string, string>
  readonly compiled: number
  /** Functions that stay interpreted, and why. */
  readonly interpreted: readonly { readonly name: string; readonly line: number; readonly why: string }[]
}

/** C functions in one file: several files are compiled side by side, and one that did not change is not compiled again. */
const FUNCTIONS_PER_FILE = 100

/** Compiles a module; `checksum` is that of its bytecode, by which the runtime knows it again. */
export function compileProgram(module: ModuleCode, checksum: number, opcodes: OpcodeTable): CompiledProgram {
  const isSteady = findSteady(module, opcodes)
  const files = new Map<string, string>()
  const interpreted: { name: string; line: number; why: string }[] = []
  const compiled: FunctionCode[] = []
  for (let first = 0; first < module.functions.length; first += FUNCTIONS_PER_FILE) {
    const sites: Sites = { count: 0, texts: 0 }
    const texts: string[] = []
    for (const fn of module.functions.slice(first, first + FUNCTIONS_PER_FILE)) {
      try {
        texts.push(compileFunction(fn, opcodes, isSteady, sites))
        compiled.push(fn)
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error
        interpreted.push({ name: fn.name, line: fn.line, why: error.message })
      }
    }
    const head = [
      '#include "aot.h"',
      `static struct aot_site site[${Math.max(1, sites.count)}];`,
      `static JSValue text[${Math.max(1, sites.texts)}];`,
    ]
    files.set(`functions-${first / FUNCTIONS_PER_FILE}.c`, `${[...head, ...texts].join('\n\n')}\n`)
  }
  files.set('table.c', tableOf(module, compiled, checksum))
  return { files, compiled: compiled.length, interpreted }
}

function tableOf(module: ModuleCode, compiled: readonly FunctionCode[], checksum: number): string {
  const isCompiled = new Set(compiled)
  return `#include "aot-load.h"

aot_function ${compiled.map(({ index }) => functionName(index)).join(', ')};

const uint32_t aot_bytecode_checksum = ${checksum}u;
const uint32_t aot_function_count = ${module.functions.length};
aot_function *const aot_functions[] = {
${module.functions.map((fn) => (isCompiled.has(fn) ? functionName(fn.index) : 'NULL')).join(',\n')}
};
`
}
