/**
 * The engine's stack while a block is compiled: each entry knows where its value is and who owns it, so that most pushes
 * and pops are no code at all.
 */

/** What is known of a value's type. */
export type Type = 'int' | 'bool' | 'plain' | 'any'

/** An entry of the stack. */
export interface Value {
  /** A C expression of the value, without effects. */
  readonly text: string
  readonly type: Type
  /** The C variable that owns a reference which this entry must give back; undefined when it owns none. */
  readonly owner?: string
  /** The C variable that is used up with this entry, which does not own what is in it. */
  readonly variable?: string
  /** What the value is borrowed from: while it is on the stack, that must not change. */
  readonly lender?: string
  /** Only for marks: the handler of a `try`, 0 for an iterator. */
  readonly handler?: number
}

/** An entry that is no value but a mark. */
export function isMark(value: Value): value is Value & { handler: number } {
  return value.handler !== undefined
}

/** The stack, its temporary variables and the C statements written so far. */
export class ValueStack {
  readonly lines: string[] = []
  readonly entries: Value[] = []
  readonly #free: string[] = []
  #temporaries = 0
  #deepest = 0

  /** Declarations of every variable that was used. */
  declarations(): string[] {
    const names = [
      ...Array.from({ length: this.#temporaries }, (_, i) => `t${i}`),
      ...Array.from({ length: this.#deepest }, (_, i) => `s${i}`),
    ]
    return names.length === 0 ? [] : [`JSValue ${names.join(', ')};`]
  }

  emit(line: string): void {
    this.lines.push(line)
  }

  /** A variable that no entry uses. */
  fresh(): string {
    return this.#free.pop() ?? `t${this.#temporaries++}`
  }

  push(value: Value): void {
    this.entries.push(value)
  }

  /** Computes an expression into a variable and pushes it: owned, unless its type has no references. */
  pushComputed(expression: string, type: Type = 'any'): string {
    const name = this.fresh()
    this.emit(`${name} = ${expression};`)
    this.pushVariable(name, type)
    return name
  }

  /** Pushes a variable whose value somebody else keeps alive; the variable is used up with the entry. */
  pushBorrowed(name: string): void {
    this.entries.push({ text: name, type: 'any', variable: name })
  }

  /** Pushes a variable that has been assigned. */
  pushVariable(name: string, type: Type = 'any'): void {
    this.entries.push({ text: name, type, owner: name })
  }

  pop(): Value {
    const value = this.entries.pop()
    if (value === undefined) throw new Error('the stack is empty')
    return value
  }

  /** Takes the topmost entries, the lowest first. */
  popMany(count: number): Value[] {
    return this.entries.splice(this.entries.length - count, count)
  }

  /** The entry at a distance from the top: 1 is the topmost. */
  peek(distance: number): Value {
    const value = this.entries[this.entries.length - distance]
    if (value === undefined) throw new Error('the stack is empty')
    return value
  }

  /** A copy of an entry, borrowed from it. */
  alias(value: Value): Value {
    const lender = value.owner ?? value.variable
    return lender === undefined ? value : { text: value.text, type: value.type, lender }
  }

  /** Gives back what an entry that was popped owns. */
  release(value: Value): void {
    const name = value.owner ?? value.variable
    if (name === undefined) return
    this.settle(name)
    if (value.type === 'any' && value.owner !== undefined) this.emit(`FREE(${value.text});`)
    this.recycle(name)
  }

  /** An expression that owns a reference to a popped entry's value; the entry is used up. */
  own(value: Value): string {
    const name = value.owner ?? value.variable
    if (name !== undefined) {
      this.settle(name)
      this.recycle(name)
    }
    return value.owner === undefined && value.type === 'any' ? `DUP(${value.text})` : value.text
  }

  /** Entries borrowed from a lender get references of their own: it is about to change. */
  settle(lender: string): void {
    for (const [index, entry] of this.entries.entries()) {
      if (entry.lender !== lender) continue
      const name = this.fresh()
      this.emit(`${name} = DUP(${entry.text});`)
      this.entries[index] = { text: name, type: entry.type, owner: name }
    }
  }

  /** A popped entry with a reference of its own, when it was borrowed from another entry. */
  detach(value: Value): Value {
    if (value.lender === undefined || !/^[st]\d+$/.test(value.lender)) return value
    const name = this.fresh()
    this.emit(`${name} = DUP(${value.text});`)
    return { text: name, type: value.type, owner: name }
  }

  recycle(name: string): void {
    if (name.startsWith('t')) this.#free.push(name)
  }

  /** Puts every entry where all paths to a block agree that it is: in the variable of its depth. */
  flush(): void {
    for (const { owner, variable } of [...this.entries]) {
      const name = owner ?? variable
      if (name !== undefined) this.settle(name)
    }
    const targets = this.entries.map((_, depth) => `s${depth}`)
    const sources = new Set(this.entries.map(({ owner }) => owner))
    // A variable that another entry is still in must not be overwritten: move such entries out of the way first.
    for (const [depth, entry] of this.entries.entries()) {
      const target = targets[depth] as string
      if (isMark(entry) || entry.owner === target || !sources.has(target)) continue
      const holder = this.entries.findIndex(({ owner }) => owner === target)
      if (holder <= depth) continue
      const moved = this.entries[holder] as Value
      const name = this.fresh()
      this.emit(`${name} = ${target};`)
      this.entries[holder] = { text: name, type: moved.type, owner: name }
    }
    for (const [depth, entry] of this.entries.entries()) {
      const target = targets[depth] as string
      if (isMark(entry) || entry.owner === target) continue
      if (entry.owner === undefined) {
        this.emit(`${target} = ${entry.type === 'any' ? `DUP(${entry.text})` : entry.text};`)
      } else {
        this.emit(`${target} = ${entry.text};`)
      }
      this.entries[depth] = { text: target, type: 'any', owner: target }
      const used = entry.owner ?? entry.variable
      if (used !== undefined) this.recycle(used)
    }
    this.#deepest = Math.max(this.#deepest, this.entries.length)
  }

  /** The stack at the beginning of a block: all in the variables of their depths. */
  begin(slots: readonly ('value' | { readonly handler: number })[]): void {
    this.entries.length = 0
    for (const [depth, slot] of slots.entries()) {
      const target = `s${depth}`
      this.entries.push(
        slot === 'value'
          ? { text: target, type: 'any', owner: target }
          : { text: '', type: 'plain', handler: slot.handler },
      )
    }
    this.#deepest = Math.max(this.#deepest, slots.length)
  }

  /** Forgets which temporaries are in use, where a block ends. */
  end(): void {
    this.entries.length = 0
    this.#free.length = 0
    for (let i = this.#temporaries - 1; i >= 0; i--) this.#free.push(`t${i}`)
  }
}
