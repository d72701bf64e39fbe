// What the compiler to machine code could get wrong, a case each: control flow, exceptions, who owns a value, and what
// sites learn about properties. The test runs them on Node.js, on the interpreter and compiled: all must say the same.

export const cases = {}

const log = []
const note = (value) => {
  log.push(String(value))
  return value
}

/** Runs with an empty log and gives what was noted. */
const noted = (run) => {
  log.length = 0
  const result = run()
  return `${log.join(' ')} -> ${String(result)}`
}

const throwing = (run) => {
  try {
    return run()
  } catch (error) {
    // Messages differ between engines: the test leaves them out where it compares with Node.js.
    return `${error?.name ?? typeof error} «${error?.message ?? error}»`
  }
}

cases.finally = () =>
  [1, 2, 3, 4]
    .map((way) =>
      noted(() => {
        for (let i = 0; i < 3; i++) {
          try {
            note(`try${i}`)
            if (way === 1 && i === 1) continue
            if (way === 2 && i === 1) break
            if (way === 3 && i === 1) return 'returned'
            if (way === 4 && i === 1) throw new Error('thrown')
          } catch (error) {
            note(error.message)
          } finally {
            note(`finally${i}`)
          }
        }
        return 'end'
      }),
    )
    .join('; ')

cases.finallyOverrides = () => {
  const f = () => {
    try {
      return note('first')
    } finally {
      return note('second')
    }
  }
  return noted(f)
}

cases.nestedTry = () =>
  noted(() => {
    const words = ['a', { text: 'b' }]
    try {
      try {
        words.push(`c${words.length}`)
        null.field
      } finally {
        note(words.length)
      }
    } catch (error) {
      try {
        throw new RangeError(`again ${error instanceof TypeError}`)
      } catch (second) {
        return second.message
      }
    }
  })

class Closing {
  constructor(count, failAt) {
    this.count = count
    this.failAt = failAt
  }
  [Symbol.iterator]() {
    let i = 0
    return {
      next: () => {
        if (i === this.failAt) throw new Error(`next ${i}`)
        return { done: i >= this.count, value: i++ }
      },
      return: () => {
        note('closed')
        return {}
      },
    }
  }
}

cases.iterators = () => [
  noted(() => {
    let sum = 0
    for (const x of new Closing(5)) sum += x
    return sum
  }),
  noted(() => {
    for (const x of new Closing(5)) if (x === 2) return x
  }),
  noted(() => {
    for (const x of new Closing(5)) if (x === 3) break
    return 'out'
  }),
  noted(() =>
    throwing(() => {
      for (const x of new Closing(5)) if (x === 1) throw new Error(`at ${x}`)
    }),
  ),
  noted(() =>
    throwing(() => {
      for (const x of new Closing(5, 2)) note(x)
    }),
  ),
  noted(() => {
    outer: for (const x of new Closing(3)) {
      for (const y of new Closing(3)) {
        if (y === 1) continue outer
        note(`${x}${y}`)
      }
    }
    return 'all'
  }),
  noted(() => {
    const [a, , b = 'default', ...rest] = new Closing(6)
    return `${a} ${b} ${rest}`
  }),
  noted(() => {
    const [a] = new Closing(6)
    return a
  }),
]

cases.closures = () => {
  const functions = []
  for (let i = 0; i < 3; i++) {
    let other = i * 10
    functions.push(() => `${i++}:${other++}`)
  }
  const first = functions.map((f) => f())
  const second = functions.map((f) => f())
  return [...first, ...second]
}

cases.capturedArguments = () => {
  const f = (a, b = a + 1) => {
    const add = (n) => {
      a += n
      return a + b
    }
    b++
    return [add(1), add(2), a, b]
  }
  return [f(1), f(1, 10), f()]
}

cases.deadZone = () => [
  throwing(() => {
    const read = () => later
    read()
    const later = 1
    return later
  }),
  throwing(() => {
    let value = 1
    {
      const f = () => value
      value = f() + 1
    }
    return value
  }),
  throwing(() => {
    for (let i = 0; i < 2; i++) {
      if (i === 1) note(x)
      const x = i
      note(x)
    }
  }),
]

cases.arithmetic = () => {
  const values = [
    0,
    -0,
    1,
    -1,
    2147483647,
    -2147483648,
    4294967295,
    0.5,
    NaN,
    Infinity,
    '7',
    null,
    undefined,
    true,
    9007199254740993n,
  ]
  const out = []
  for (const a of values) {
    for (const b of values) {
      const tries = [
        () => a + b,
        () => a - b,
        () => a * b,
        () => a / b,
        () => a % b,
        () => a ** b,
        () => a & b,
        () => a | b,
        () => a ^ b,
        () => a << b,
        () => a >> b,
        () => a >>> b,
        () => a < b,
        () => a <= b,
        () => a > b,
        () => a >= b,
        () => a == b,
        () => a === b,
      ]
      // A power of large integers would fill the memory.
      for (const [i, f] of tries.entries()) {
        if (typeof a === 'bigint' && typeof b === 'bigint' && (i === 5 || i === 9)) continue
        const result = throwing(f)
        out.push(Object.is(result, -0) ? '-0' : String(result).replace(/ «.*»/, ''))
      }
    }
  }
  let hash = 0
  for (const text of out) for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return `${out.length} ${hash}`
}

cases.steps = () => {
  let a = 2147483647
  let b = '5'
  let c = 5n
  const d = { n: -2147483648 }
  return [a++, a, --a, b++, b, c++, String(c), d.n--, d.n, -a, 0 === 0, Object.is(-0, -0), ~a, +'12', !a]
}

cases.shapes = () => {
  const out = []
  const read = (object) => object.x
  for (const object of [{ x: 1 }, { y: 2, x: 3 }, { x: 1 }, Object.create({ x: 4 }), [], new Map(), 'text', 5]) {
    out.push(read(object))
  }
  class Base {
    get x() {
      return `getter of ${this.name}`
    }
  }
  class Derived extends Base {
    name = 'derived'
  }
  out.push(read(new Derived()), read(new Derived()))
  Object.defineProperty(Base.prototype, 'x', { get: () => 'redefined', configurable: true })
  out.push(read(new Derived()))
  Object.defineProperty(Derived.prototype, 'x', { value: 'nearer' })
  out.push(read(new Derived()))
  return out
}

cases.additions = () => {
  const make = (value) => {
    const made = {}
    made.a = value
    made.b = value + 1
    return made
  }
  const out = [make(1), make(2), make(3)]
  Object.defineProperty(Object.prototype, 'b', {
    set(value) {
      this.caught = value
    },
    configurable: true,
  })
  out.push(make(4), make(5))
  delete Object.prototype.b
  out.push(make(6))
  const frozen = Object.freeze({ a: 1 })
  out.push(
    throwing(() => (frozen.a = 2)),
    throwing(() => (frozen.z = 2)),
  )
  const write = (object, value) => {
    object.n = value
    return object.n
  }
  out.push(
    write({ n: 1 }, 2),
    write({ n: 1 }, 3),
    write(Object.defineProperty({}, 'n', { value: 7, writable: true }), 8),
  )
  out.push(throwing(() => write(Object.defineProperty({}, 'n', { value: 7 }), 8)))
  return JSON.stringify(out)
}

cases.methodsChange = () => {
  class Thing {
    act() {
      return 'first'
    }
  }
  const act = (thing) => thing.act()
  const thing = new Thing()
  const out = [act(thing), act(thing)]
  Thing.prototype.act = () => 'second'
  out.push(act(thing))
  thing.act = () => 'own'
  out.push(act(thing), act(new Thing()))
  delete thing.act
  out.push(act(thing))
  delete Thing.prototype.act
  out.push(throwing(() => act(thing)))
  Object.getPrototypeOf(Thing.prototype).act = () => 'from Object'
  out.push(act(thing))
  delete Object.prototype.act
  return out
}

cases.arrays = () => {
  const list = []
  for (let i = 0; i < 20; i++) list[i] = i * i
  list[25] = 'far'
  const octets = new Uint8Array(4)
  for (let i = 0; i < 6; i++) octets[i] = 300 + i
  octets[1] = '7'
  octets[2] = 2.9
  const words = new Int32Array([1, -1])
  words[0] = 4294967295
  const holes = [1, , 3]
  return [
    list.length,
    list[3],
    list[22],
    list[-1],
    list['4'],
    String(octets),
    octets.length,
    octets[9],
    words[0],
    holes[1],
    'abc'[1],
    'abc'[5],
  ]
}

cases.lengths = () => {
  const length = (value) => value.length
  return [[1, 2], 'four', new Uint8Array(9), (_a, _b) => 0, { length: 'own' }, 'é', new Uint16Array(3)].map(length)
}

class Counter {
  #count = 0
  static #made = 0
  static made() {
    return Counter.#made
  }
  constructor(start = 1) {
    this.#count = start
    Counter.#made++
  }
  get count() {
    return this.#count
  }
  set count(value) {
    this.#count = value * 2
  }
  #twice() {
    return this.#count * 2
  }
  twice() {
    return this.#twice()
  }
  static is(value) {
    return #count in value
  }
}

class Deep extends Counter {
  extra = [1, 2]
  constructor(...all) {
    super(...all)
    this.sum = all.reduce((a, b) => a + b, 0)
  }
  twice() {
    return `deep ${super.twice()} ${super.count}`
  }
  get [`computed${1}`]() {
    return 'computed'
  }
}

class Implicit extends Deep {}

cases.classes = () => {
  const deep = new Implicit(3, 4)
  deep.count = 5
  class Early extends Counter {
    constructor() {
      if (Counter.made() > 0) note(throwing(() => this.x))
      super()
    }
  }
  class Strange extends Counter {
    constructor(what) {
      super()
      return what
    }
  }
  return [
    deep.twice(),
    deep.count,
    deep.sum,
    deep.computed1,
    Counter.is(deep),
    Counter.is({}),
    noted(() => new Early().count),
    new Strange({ other: 1 }).other,
    throwing(() => new Strange(5)),
    throwing(() => Counter()),
    throwing(() => deep.twice.call({})),
    deep instanceof Counter,
    deep.constructor.name,
    deep.twice.name,
    deep.twice.length,
  ]
}

cases.callees = () => {
  function Plain(a) {
    this.a = a
    this.target = new.target === Plain
  }
  const bound = Plain.bind(undefined, 9)
  const proxy = new Proxy((x) => x + 1, { apply: (target, _self, [x]) => target(x) * 10 })
  return [
    new Plain(1).a,
    new Plain(1).target,
    new bound().a,
    Reflect.construct(Plain, [2], Object).a,
    proxy(4),
    ((...rest) => rest.length)(1, 2, 3),
    ((a, b, c) => [a, b, c])(1),
    Math.max(...[3, 9, 4]),
    [1, 2, 3].map(String),
    ((x) => x?.y?.z)({ y: null }),
    ((x) => x?.())(undefined),
    throwing(() => undefined.x),
    throwing(() => null.x()),
    throwing(() => {
      const nothing = {}
      nothing.method()
    }),
    throwing(() => (0, undefined)()),
    throwing(() => new (() => 1)()),
  ]
}

cases.destructuring = () => {
  const { a, b: { c = 5, ...rest } = {}, ...others } = { a: 1, b: { d: 2, e: 3 }, f: 4, g: 5 }
  const swap = [1, 2]
  ;[swap[0], swap[1]] = [swap[1], swap[0]]
  const key = 'dynamic'
  const { [key]: found = 'none' } = { dynamic: 'yes' }
  return JSON.stringify([a, c, rest, others, swap, found, throwing(() => (({ x }) => x)(null))])
}

cases.switches = () =>
  [1, '1', 'two', 3, null, undefined, NaN].map((value) => {
    switch (value) {
      case 1:
        return 'number one'
      case '1':
        return 'text one'
      case 'two':
      case 3:
        return 'two or three'
      case null:
        return 'null'
      default:
        return typeof value
    }
  })

cases.aliases = () => {
  // Values that are on the stack while their variables change.
  let a = { n: 1 }
  const f = (x, y, z) => `${x.n}${y.n}${z.n}`
  const one = f(a, (a = { n: 2 }), a)
  let s = 'x'
  const two = s + (s = 'y') + s
  let i = 1
  const three = i + i++ + ++i + (i += 5)
  const list = [0, 0, 0]
  let at = 0
  list[at++] = list[at] = at
  return [one, two, three, String(list), at]
}

cases.strings = () => {
  let text = ''
  for (let i = 0; i < 50; i++) text += String.fromCharCode(97 + (i % 26))
  let other = 1
  other += 'a'
  other += 2
  const tag = (parts, ...values) => parts.raw.join('|') + values.join('&')
  return [
    text,
    other,
    `${text.length}${null}`,
    tag`a${1}\n${2}b`,
    text.slice(3, 6),
    text < 'b',
    'a' + 1 + 2,
    1 + 2 + 'a',
  ]
}

cases.generators = () => {
  function* numbers(n) {
    try {
      for (let i = 0; i < n; i++) {
        const got = yield i
        if (got) note(got)
      }
    } finally {
      note('left')
    }
    return 'done'
  }
  return noted(() => {
    const it = numbers(3)
    const out = [it.next().value, it.next('sent').value, it.return('early').value]
    return JSON.stringify([out, [...numbers(2)]])
  })
}

cases.stackTraces = () => {
  const inner = () => {
    throw new Error('deep')
  }
  const outer = () => inner()
  try {
    outer()
  } catch (error) {
    return error.stack
      .split('\n')
      .filter((line) => /inner|outer/.test(line))
      .map((line) => /(inner|outer)/.exec(line)[1])
      .join(' ')
  }
}

cases.manyObjects = () => {
  // Garbage with cycles, while compiled functions hold some of it.
  let last
  let sum = 0
  for (let i = 0; i < 30000; i++) {
    const node = { i, other: undefined, list: [i] }
    node.other = { back: node, text: `n${i}` }
    if (i % 1000 === 0) last = node
    sum += node.other.back.list[0]
  }
  return `${sum} ${last.other.text}`
}

cases.deletions = () => {
  const object = { a: 1, b: 2, c: 3 }
  const keys = []
  for (const key in object) {
    keys.push(key)
    delete object.b
  }
  return [keys.join(), 'b' in object, delete object.zzz, throwing(() => delete Object.freeze([1])[0])]
}

cases.globals = () => [
  typeof undefinedName,
  throwing(() => undefinedName),
  typeof Math,
  globalThis.JSON === JSON,
  parseInt('12px', 10),
]

cases.recursion = () => {
  const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2))
  const down = (n) => (n === 0 ? 'bottom' : down(n - 1))
  const endless = () => 1 + endless()
  let name
  try {
    endless()
  } catch (error) {
    name = error.name
  }
  return [fib(20), down(500), name]
}

cases.products = () => {
  const list = ['zero', 'one']
  const found = []
  // An index that is a product of zero is an index like others.
  for (let i = 0; i < 2; i++) found.push(list[2 * i], list[i * -1], Object.is(i * -2, -0), Object.is(-0 * i, -0))
  return found
}

cases.views = () => {
  const view = new DataView(new ArrayBuffer(16), 2, 12)
  view.setUint8(0, 0x1ff)
  view.setUint16(1, -2)
  view.setUint32(3, 4294967295)
  view.setInt32(7, 2147483648)
  view.setUint16(9, 65537.9)
  const odd = ['7', 1.5, -1, 11, 12, undefined, Number.NaN, 2 ** 32, { valueOf: () => 3 }]
  return [
    [...new Uint8Array(view.buffer)],
    [view.getUint8(0), view.getUint16(1), view.getUint32(3), view.getInt32(3), view.getInt32(7), view.getUint32(7)],
    [view.getUint16(1, true), view.getUint32(6, false), view.getInt8(1), view.getInt16(1), view.getFloat64(3)],
    odd.map((index) => throwing(() => view.getUint16(index))),
    odd.map((index) => throwing(() => view.setUint32(index, 7))),
    odd.map((value) => throwing(() => view.setUint16(4, value) ?? view.getUint16(4))),
    throwing(() => DataView.prototype.getUint16.call(new Uint8Array(4), 0)),
    throwing(() => view.getUint16()),
    throwing(() => view.setUint16(1)),
  ]
}

cases.leastAndGreatest = () => {
  const pairs = [
    [1, 2],
    [2, 1],
    [3, 3],
    [-5, 4],
    [0, -0],
    [1.5, 1],
    [Number.NaN, 1],
    ['3', 2],
    [2 ** 31, 1],
  ]
  return pairs.map(([a, b]) => [
    Math.min(a, b),
    Math.max(a, b),
    Object.is(Math.min(a, b), -0),
    Math.max(a),
    Math.min(a, b, 0),
  ])
}
