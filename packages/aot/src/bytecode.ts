/**
 * Reads what the engine's `JS_WriteObject` wrote for a module: its functions, as the engine will have them in memory. The
 * order in which they are met is their number, and the runtime counts them in the same way.
 *
 * The file comes from our own bytecode compiler in the same build; what does not fit is an error of the tool.
 */
/** How a function's variable of an outer scope is found when its closure is made (`JSClosureTypeEnum`). */
export const CLOSURE = { local: 0, arg: 1, ref: 2, globalRef: 3 } as const

/** A variable of an outer scope. */
export interface ClosureVariable {
  readonly type: number
  /** Of the parent's locals, arguments or closure variables, by `type`. */
  readonly index: number
  readonly isConst: boolean
  readonly isLexical: boolean
}

/** A local variable or an argument. */
export interface Variable {
  /** Its place among the references that closures share; undefined when no closure uses it. */
  readonly capturedAs: number | undefined
}

/** An entry of a function's table of constants. */
export type Constant =
  | { readonly kind: 'function'; readonly value: FunctionCode }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'other' }

/** A function. */
export interface FunctionCode {
  /** Its number in the program. */
  readonly index: number
  readonly name: string
  readonly parent: FunctionCode | undefined
  readonly isNormal: boolean
  readonly isStrict: boolean
  readonly argumentCount: number
  readonly variableCount: number
  readonly capturedCount: number
  /** Arguments first, then locals. */
  readonly variables: readonly Variable[]
  readonly closure: readonly ClosureVariable[]
  readonly constants: readonly Constant[]
  readonly code: Uint8Array
  /** Where it begins in the bundle. */
  readonly line: number
}

/** What a module's bytecode holds. */
export interface ModuleCode {
  readonly functions: readonly FunctionCode[]
  /** Atoms by their number in this file. */
  atomName(atom: number): string
}

const TAG = {
  null: 1,
  undefined: 2,
  false: 3,
  true: 4,
  int32: 5,
  float64: 6,
  string: 7,
  object: 8,
  array: 9,
  bigInt: 10,
  template: 11,
  function: 12,
  module: 13,
  regexp: 17,
} as const

/** Reads a module's bytecode; `first` is the first atom that is the file's own. */
export function readModule(bytes: Uint8Array, first: number): ModuleCode {
  return new Reader(bytes, first).read()
}

class Reader {
  readonly #view: DataView
  readonly #bytes: Uint8Array
  readonly #first: number
  readonly #atoms: string[] = []
  readonly #functions: FunctionCode[] = []
  #at = 0

  constructor(bytes: Uint8Array, first: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#first = first
  }

  read(): ModuleCode {
    // Version and checksum: the engine checks both when it loads the program.
    this.#at = 5
    const count = this.#leb()
    for (let i = 0; i < count; i++) this.#atoms.push(this.#u8() === 0 ? `#${this.#u32()}` : this.#string())
    if (this.#u8() !== TAG.module) throw new Error('bytecode: this is not a module')
    this.#module()
    return { functions: this.#functions, atomName: (atom) => this.#nameOf(atom) }
  }

  #module(): void {
    this.#atom()
    for (let n = this.#leb(); n > 0; n--) this.#atom()
    for (let n = this.#leb(); n > 0; n--) {
      const isLocal = this.#u8() === 0
      this.#leb()
      if (!isLocal) this.#atom()
      this.#atom()
    }
    for (let n = this.#leb(); n > 0; n--) this.#leb()
    for (let n = this.#leb(); n > 0; n--) {
      this.#leb()
      this.#atom()
      this.#leb()
    }
    this.#u8()
    this.#constant(undefined)
  }

  #constant(parent: FunctionCode | undefined): Constant {
    const tag = this.#u8()
    switch (tag) {
      case TAG.null:
      case TAG.undefined:
      case TAG.false:
      case TAG.true:
        return { kind: 'other' }
      case TAG.int32:
        return { kind: 'number', value: this.#sleb() }
      case TAG.float64: {
        const value = this.#view.getFloat64(this.#at, true)
        this.#at += 8
        return { kind: 'number', value }
      }
      case TAG.string:
        this.#string()
        return { kind: 'other' }
      case TAG.bigInt:
        this.#skip(this.#leb())
        return { kind: 'other' }
      case TAG.regexp:
        this.#string()
        this.#string()
        return { kind: 'other' }
      case TAG.array:
      case TAG.template:
        for (let n = this.#leb(); n > 0; n--) this.#constant(parent)
        if (tag === TAG.template) this.#constant(parent)
        return { kind: 'other' }
      case TAG.function:
        return { kind: 'function', value: this.#function(parent) }
      default:
        throw new Error(`bytecode: a constant of unknown kind ${tag} at ${this.#at}`)
    }
  }

  #function(parent: FunctionCode | undefined): FunctionCode {
    const flags = this.#u16()
    const isStrict = this.#u8() !== 0
    const name = this.#atom()
    const argumentCount = this.#leb()
    const variableCount = this.#leb()
    this.#leb()
    this.#leb()
    const capturedCount = this.#leb()
    const closureCount = this.#leb()
    const constantCount = this.#leb()
    const codeLength = this.#leb()
    const variables = Array.from({ length: this.#leb() }, () => this.#variable())
    const closure = Array.from({ length: closureCount }, () => this.#closureVariable())
    const constants: Constant[] = []
    const made = {
      index: this.#functions.length,
      name,
      parent,
      isNormal: ((flags >> 4) & 3) === 0,
      isStrict,
      argumentCount,
      variableCount,
      capturedCount,
      variables,
      closure,
      constants,
      code: EMPTY,
      line: 0,
    }
    this.#functions.push(made)
    for (let i = 0; i < constantCount; i++) constants.push(this.#constant(made))
    made.code = this.#bytes.slice(this.#at, this.#at + codeLength)
    this.#at += codeLength
    if ((flags & 0x800) !== 0) {
      this.#atom()
      made.line = this.#leb()
      this.#leb()
      this.#skip(this.#leb())
      this.#skip(this.#leb())
    }
    return made
  }

  #variable(): Variable {
    this.#atom()
    this.#leb()
    this.#leb()
    const isCaptured = (this.#u8() & 0x40) !== 0
    return { capturedAs: isCaptured ? this.#leb() : undefined }
  }

  #closureVariable(): ClosureVariable {
    this.#atom()
    const index = this.#leb()
    const flags = this.#leb()
    return { type: flags & 7, index, isConst: (flags & 8) !== 0, isLexical: (flags & 16) !== 0 }
  }

  #nameOf(atom: number): string {
    if (atom >= 0x80000000) return String(atom & 0x7fffffff)
    return atom < this.#first ? `#${atom}` : (this.#atoms[atom - this.#first] ?? '?')
  }

  #atom(): string {
    const value = this.#leb()
    return (value & 1) === 1 ? String(value >>> 1) : this.#nameOf(value >>> 1)
  }

  /** Its length's lowest bit says whether characters have two octets. */
  #string(): string {
    const length = this.#leb()
    const isWide = (length & 1) === 1
    const units = Array.from({ length: length >>> 1 }, () => (isWide ? this.#u16() : this.#u8()))
    return units.map((unit) => String.fromCharCode(unit)).join('')
  }

  #skip(octets: number): void {
    this.#at += octets
  }

  #u8(): number {
    return this.#view.getUint8(this.#at++)
  }

  #u16(): number {
    this.#at += 2
    return this.#view.getUint16(this.#at - 2, true)
  }

  #u32(): number {
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  #leb(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const octet = this.#u8()
      value = (value | ((octet & 0x7f) << shift)) >>> 0
      if (octet < 0x80) return value
    }
  }

  /** A signed number: its sign is the lowest bit. */
  #sleb(): number {
    const value = this.#leb()
    return (value >>> 1) ^ -(value & 1)
  }
}

const EMPTY = new Uint8Array(0)
