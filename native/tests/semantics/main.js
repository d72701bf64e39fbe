// What the language promises, by area: a selection of our own, as test262's files come in no package. Each check is a
// function that returns true, or a promise of it. run.mjs has Node do the same, so that a wrong check shows.
//
// A table with a line for each check, which do on purpose what a linter warns of: biome.json leaves this file alone.

const thrown = (f) => {
  try {
    f()
  } catch (error) {
    return error.constructor.name
  }
  return 'nothing'
}
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

const areas = () => ({
  'scope and binding': {
    'let is dead before its line': () => thrown(() => (x, 0) || (() => x)()) === 'ReferenceError',
    'each turn of a loop has its own': () => {
      const all = []
      for (let i = 0; i < 3; i++) all.push(() => i)
      return same(all.map((f) => f()), [0, 1, 2])
    },
    'const cannot be assigned': () => {
      const c = 1
      return thrown(() => (c = 2)) === 'TypeError'
    },
    'typeof an unknown name': () => typeof nobodyHasThisName === 'undefined',
    'a closure sees later changes': () => {
      let n = 1
      const read = () => n
      n = 2
      return read() === 2
    },
    'strict: assignment to an unknown name': () => thrown(() => (anotherUnknownName = 1)) === 'ReferenceError',
    'strict: this is undefined': () => (function () { return this })() === undefined,
    'a function knows its own name': () => (function f(n) { return n === 0 ? 0 : n + f(n - 1) })(4) === 10,
  },
  functions: {
    'defaults see earlier parameters': () => ((a, b = a + 1) => a + b)(1) === 3,
    'rest and length': () => ((a, ...rest) => rest.length)(1, 2, 3) === 2 && ((a, b = 1, ...c) => 0).length === 1,
    'arguments is not linked in strict code': () => (function (a) { a = 9; return arguments[0] })(1) === 1,
    'arrows have no prototype': () => !('prototype' in (() => 0)),
    'bind keeps this and arguments': () => (function (a, b) { return this.n + a + b }).bind({ n: 1 }, 2)(3) === 6,
    'names of functions': () => (() => { const f = () => 0; return f.name })() === 'f',
    'new.target': () => { function F() { return new.target === F } return typeof new F() === 'object' && !F() },
    'getter and setter': () => { const o = { v: 1, get x() { return this.v }, set x(v) { this.v = v * 2 } }; o.x = 3; return o.x === 6 },
    'tagged templates': () => ((s, ...v) => s.raw.join('|') + v.join())`a${1}\n${2}c` === 'a|\\n|c1,2',
    'a template object is made once': () => { const f = () => ((s) => s)`x`; return f() === f() },
  },
  destructuring: {
    'defaults only for undefined': () => { const { a = 1, b = 2, c = 3 } = { a: null, b: undefined, c: 0 }; return same([a, b, c], [null, 2, 0]) },
    'nested, renamed, computed': () => { const k = 'q'; const { a: { [k]: [, z] } } = { a: { q: [1, 2] } }; return z === 2 },
    'rest of an object': () => { const { a, ...rest } = { a: 1, b: 2, c: 3 }; return same(rest, { b: 2, c: 3 }) },
    'swap': () => { let a = 1, b = 2; [a, b] = [b, a]; return a === 2 && b === 1 },
    'closes the iterator': () => { let closed = 0; const it = { [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }), return: () => (closed++, {}) }) }; const [x] = it; return x === 1 && closed === 1 },
    'null cannot be taken apart': () => thrown(() => { const { a } = null }) === 'TypeError',
    'order of evaluation': () => { const log = []; const o = { get a() { log.push('a') }, get b() { log.push('b') } }; const { b, a } = o; return same(log, ['b', 'a']) },
  },
  operators: {
    'equality of kinds': () => null == undefined && !(null == 0) && '1' == 1 && [] == '' && !(NaN == NaN),
    'Object.is': () => Object.is(NaN, NaN) && !Object.is(0, -0),
    'optional chains stop early': () => { let n = 0; const o = null; o?.a[n++].b(n++); return n === 0 && undefined?.x === undefined },
    '?? is not ||': () => (0 ?? 1) === 0 && (null ?? 1) === 1,
    'logical assignment': () => { let a = null, b = 0, c = 1; a ??= 2; b ||= 3; c &&= 4; return a === 2 && b === 3 && c === 4 },
    'shifts of 32 bits': () => (1 << 33) === 2 && (-1 >>> 0) === 4294967295 && (-8 >> 1) === -4,
    'remainder and power': () => -7 % 3 === -1 && Object.is(-0 % 5, -0) && (-2) ** 3 === -8 && 2 ** -1 === 0.5,
    'addition makes text': () => 1 + '2' === '12' && [] + {} === '[object Object]' && +[] === 0,
    'in and private in': () => { class C { #x = 1; static has(o) { return #x in o } } return C.has(new C()) && !C.has({}) },
    'delete': () => { const o = { a: 1 }; return delete o.a && !('a' in o) && thrown(() => delete Object.freeze({ a: 1 }).a) === 'TypeError' },
    'void, comma, typeof': () => void 0 === undefined && (1, 2) === 2 && typeof null === 'object' && typeof 1n === 'bigint',
    'comparison of text is by unit': () => 'a' < 'b' && 'Z' < 'a' && '\u{1f600}' < '\uffff',
  },
  classes: {
    'fields, in order, before the body': () => { const log = []; class A { x = log.push('x'); constructor() { log.push('c') } y = 1 } new A(); return same(log, ['x', 'c']) },
    'private methods and accessors': () => { class A { #v = 1; #m() { return this.#v } get #g() { return this.#m() + 1 } sum() { return this.#m() + this.#g } } return new A().sum() === 3 },
    'a brand is checked': () => { class A { #x; static read(o) { return o.#x } } return thrown(() => A.read({})) === 'TypeError' },
    'static blocks': () => { class A { static v = 1; static { A.v++ } } return A.v === 2 },
    'super in methods and literals': () => { class A { m() { return 1 } } class B extends A { m() { return super.m() + 1 } } return new B().m() === 2 },
    'this before super': () => { class A {} class B extends A { constructor() { this.x = 1; super() } } return thrown(() => new B()) === 'ReferenceError' },
    'extends null and builtins': () => { class E extends Error {} class L extends Array {} return new E('x') instanceof Error && L.from([1, 2]).map((x) => x) instanceof L },
    'a class is not called': () => thrown(() => (class {})()) === 'TypeError',
    'methods are not enumerable': () => Object.keys(class { static m() {} }).length === 0,
    'computed names': () => { const k = 'n'; class A { [k + 1]() { return 7 } } return new A().n1() === 7 },
    'instanceof can be changed': () => 1 instanceof { [Symbol.hasInstance]: (v) => v === 1 },
  },
  'iterators and generators': {
    'yield passes both ways': () => { function* g() { const x = yield 1; yield x * 2 } const i = g(); i.next(); return i.next(21).value === 42 },
    'return runs finally': () => { let n = 0; function* g() { try { yield 1 } finally { n++ } } const i = g(); i.next(); i.return(5); return n === 1 },
    'throw is caught inside': () => { function* g() { try { yield 1 } catch (e) { yield e } } const i = g(); i.next(); return i.throw(7).value === 7 },
    'yield* gives the value returned': () => { function* a() { yield 1; return 2 } function* b() { const r = yield* a(); yield r } return same([...b()], [1, 2]) },
    'break closes': () => { let n = 0; function* g() { try { yield 1; yield 2 } finally { n++ } } for (const _ of g()) break; return n === 1 },
    'spread of text is by code point': () => [...'a\u{1f600}b'].length === 3,
    'for-of leaves by a label': () => { let n = 0; outer: for (const a of [1, 2]) for (const b of [1, 2]) { n++; if (a === 1) continue outer; break outer } return n === 2 },
    'for-in: own, then inherited, numbers first': () => { const o = Object.create({ z: 1 }); o.b = 1; o[2] = 1; o[1] = 1; const k = []; for (const x in o) k.push(x); return same(k, ['1', '2', 'b', 'z']) },
    'entries of a map while it changes': () => { const m = new Map([[1, 1], [2, 2]]); const seen = []; for (const [k] of m) { seen.push(k); if (k === 1) { m.delete(2); m.set(3, 3) } } return same(seen, [1, 3]) },
  },
  'promises and async': {
    'jobs run in order, after the code': async () => { const log = []; const p = Promise.resolve().then(() => log.push(2)); log.push(1); await p; await null; log.push(3); return same(log, [1, 2, 3]) },
    'await of a thenable': async () => (await { then: (f) => f(5) }) === 5,
    'a rejection is thrown': async () => { try { await Promise.reject(new RangeError('x')) } catch (e) { return e instanceof RangeError } },
    'finally passes on': async () => (await Promise.resolve(1).finally(() => 2)) === 1,
    'all, allSettled, race, any': async () => same(await Promise.all([1, Promise.resolve(2)]), [1, 2]) && (await Promise.allSettled([Promise.reject(1)]))[0].status === 'rejected' && (await Promise.race([1, new Promise(() => {})])) === 1 && (await Promise.any([Promise.reject(1), 2])) === 2,
    'any of none': async () => { try { await Promise.any([]) } catch (e) { return e instanceof AggregateError } },
    'async generators': async () => { async function* g() { yield 1; yield Promise.resolve(2) } const all = []; for await (const x of g()) all.push(x); return same(all, [1, 2]) },
    'a chain that resolves to itself': async () => { let p; p = new Promise((r) => queue(() => r(p))); try { await p } catch (e) { return e instanceof TypeError } },
    'order of three chains': async () => { const log = []; const c = (n) => Promise.resolve().then(() => log.push(n)).then(() => log.push(n)); await Promise.all([c(1), c(2), c(3)]); return same(log, [1, 2, 3, 1, 2, 3]) },
  },
  'objects and proxies': {
    'order of keys': () => same(Reflect.ownKeys({ b: 1, 2: 1, a: 1, 1: 1 }), ['1', '2', 'b', 'a']),
    'descriptors': () => { const o = {}; Object.defineProperty(o, 'x', { value: 1 }); return thrown(() => (o.x = 2)) === 'TypeError' && Object.keys(o).length === 0 },
    'freeze, seal, preventExtensions': () => Object.isFrozen(Object.freeze({ a: 1 })) && Object.isSealed(Object.seal({ a: 1 })) && thrown(() => (Object.preventExtensions({}).x = 1)) === 'TypeError',
    'a prototype cannot be a circle': () => { const a = {}; const b = Object.create(a); return thrown(() => Object.setPrototypeOf(a, b)) === 'TypeError' },
    'proxies: get, has, ownKeys': () => { const p = new Proxy({ a: 1 }, { get: (t, k) => k + '!', has: () => true, ownKeys: () => ['a'] }); return p.z === 'z!' && 'q' in p && same(Reflect.ownKeys(p), ['a']) },
    'proxies keep invariants': () => { const t = Object.freeze({ a: 1 }); const p = new Proxy(t, { get: () => 2 }); return thrown(() => p.a) === 'TypeError' },
    'a revoked proxy': () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return thrown(() => proxy.x) === 'TypeError' },
    'toPrimitive': () => `${{ [Symbol.toPrimitive]: (h) => h }}` === 'string' && +{ valueOf: () => 3 } === 3,
    'symbols': () => Symbol.for('a') === Symbol.for('a') && Symbol('x').description === 'x' && thrown(() => Symbol() + '') === 'TypeError',
    'fromEntries, hasOwn': () => same(Object.fromEntries([['a', 1]]), { a: 1 }) && Object.hasOwn({ a: 1 }, 'a') && !Object.hasOwn({}, 'toString'),
  },
  'arrays and typed arrays': {
    'sort is stable': () => same([[1, 'a'], [0, 'b'], [1, 'c'], [0, 'd']].sort((x, y) => x[0] - y[0]).map((x) => x[1]), ['b', 'd', 'a', 'c']),
    'holes': () => { const a = [1, , 3]; return !(1 in a) && a.length === 3 && a.map(() => 0).length === 3 },
    'length cuts': () => { const a = [1, 2, 3]; a.length = 1; return same(a, [1]) && thrown(() => (a.length = -1)) === 'RangeError' },
    'flat, at, findLast, with': () => same([1, [2, [3]]].flat(), [1, 2, [3]]) && [1, 2].at(-1) === 2 && [1, 2, 3].findLast((x) => x < 3) === 2 && same([1, 2].with(0, 9), [9, 2]),
    'splice, copyWithin, fill': () => { const a = [1, 2, 3, 4]; return same(a.splice(1, 2, 'x'), [2, 3]) && same([1, 2, 3, 4].copyWithin(0, 2), [3, 4, 3, 4]) && same([1, 2].fill(0, 1), [1, 0]) },
    'includes finds NaN': () => [NaN].includes(NaN) && [NaN].indexOf(NaN) === -1,
    'clamped, wrapped, rounded': () => new Uint8ClampedArray([300, -5, 1.5])[0] === 255 && new Uint8Array([257])[0] === 1 && new Float32Array([0.1])[0] !== 0.1,
    'views share': () => { const b = new ArrayBuffer(8); new Uint8Array(b)[0] = 1; return new DataView(b).getUint16(0) === 256 && new DataView(b).getUint16(0, true) === 1 },
    'set of an overlap': () => { const a = new Uint8Array([1, 2, 3, 4]); a.set(a.subarray(0, 3), 1); return same([...a], [1, 1, 2, 3]) },
    'out of bounds': () => new Uint8Array(1)[5] === undefined && thrown(() => new Uint8Array(-1)) === 'RangeError' && thrown(() => new DataView(new ArrayBuffer(1)).getUint16(0)) === 'RangeError',
    'detached by transfer': () => { const b = new ArrayBuffer(4); const v = new Uint8Array(b); structure(b); return v.length === 0 },
  },
  numbers: {
    'shortest text': () => String(0.1 + 0.2) === '0.30000000000000004' && String(1e21) === '1e+21' && String(5e-324) === '5e-324',
    'bases': () => (255).toString(16) === 'ff' && Number('0b101') === 5 && parseInt('0x1f') === 31 && parseInt('12px') === 12,
    'fixed and precise': () => (1.005).toFixed(2) === '1.00' && (123.456).toPrecision(4) === '123.5' && (0).toExponential(1) === '0.0e+0',
    'what is a number': () => Number('') === 0 && Number.isNaN(Number('1 2')) && Number(' 12 ') === 12 && Number.isSafeInteger(2 ** 53 - 1),
    'BigInt arithmetic': () => (2n ** 64n - 1n).toString(16) === 'ffffffffffffffff' && -7n / 2n === -3n && (-7n % 2n) === -1n && thrown(() => 1n + 1) === 'TypeError',
    'BigInt.asIntN': () => BigInt.asIntN(8, 255n) === -1n,
    'BigInt.asUintN of a negative number': () => BigInt.asUintN(64, -1n) === 2n ** 64n - 1n,
    'BigInt comparisons': () => 1n < 2 && 2n == 2 && 2n !== 2 && [3n, 1, 2n].sort().join() === '1,2,3',
    'Math': () => Math.hypot(3, 4) === 5 && Math.sign(-3) === -1 && Object.is(Math.round(-0.4), -0) && Math.max() === -Infinity && Math.fround(5.5) === 5.5,
  },
  'text and regular expressions': {
    'units and points': () => '\u{1f600}'.length === 2 && '\u{1f600}'.codePointAt(0) === 0x1f600 && String.fromCodePoint(0x1f600) === '\u{1f600}',
    'replace with groups': () => 'a-b'.replace(/(?<x>\w)-(\w)/, '$2-$<x>') === 'b-a' && 'aa'.replaceAll('a', (m, at) => at) === '01',
    'lookbehind, sticky, unicode': () => /(?<=\$)\d+/.exec('a$12')[0] === '12' && /b/y.test('ab') === false && /^.$/u.test('\u{1f600}'),
    'properties of characters': () => /^\p{L}+$/u.test('Ωß') && /\p{Script=Greek}/u.test('α'),
    'matchAll and indices': () => [...'a1b2'.matchAll(/[a-z](\d)/g)].map((m) => m[1]).join('') === '12' && /b/d.exec('ab').indices[0][0] === 1,
    'lazy, backreferences, case': () => /<.+?>/.exec('<a><b>')[0] === '<a>' && /(a)\1/.test('aa') && /ſ/i.test('ſ'),
    'split and limits': () => same('a,b,c'.split(',', 2), ['a', 'b']) && same('abc'.split(''), ['a', 'b', 'c']) && same('a1b'.split(/(\d)/), ['a', '1', 'b']),
    'pad, trim, repeat, slice': () => 'a'.padStart(3, 'xy') === 'xya' && ' \ufeffa\u00a0'.trim() === 'a' && 'abc'.slice(-2) === 'bc' && 'abc'.substring(2, 0) === 'ab',
    'normal forms and case': () => 'é'.normalize('NFD').length === 2 && 'ß'.toUpperCase() === 'SS' && 'İ'.toLowerCase().length === 2,
    'well-formed': () => 'a\ud800'.isWellFormed() === false && 'a\ud800'.toWellFormed() === 'a\ufffd',
    'localeCompare orders': () => ['b', 'a', 'c'].sort((x, y) => x.localeCompare(y)).join('') === 'abc',
  },
  'errors, JSON, dates': {
    'cause and AggregateError': () => new Error('x', { cause: 1 }).cause === 1 && new AggregateError([1, 2]).errors.length === 2,
    'finally wins': () => (() => { try { return 1 } finally { return 2 } })() === 2,
    'JSON round trip': () => same(JSON.parse('{"a":[1,null,"\\u00e9"],"b":{"c":true}}'), { a: [1, null, 'é'], b: { c: true } }),
    'JSON leaves out': () => JSON.stringify({ a: undefined, b: () => 0, c: NaN, d: new Date(0), e: [undefined] }) === '{"c":null,"d":"1970-01-01T00:00:00.000Z","e":[null]}',
    'JSON: replacer, indent, toJSON': () => JSON.stringify({ a: 1, b: 2 }, ['a']) === '{"a":1}' && JSON.stringify([1], null, 1) === '[\n 1\n]' && JSON.stringify({ toJSON: () => 5 }) === '5',
    'JSON refuses': () => thrown(() => JSON.parse('{a:1}')) === 'SyntaxError' && thrown(() => { const o = {}; o.o = o; JSON.stringify(o) }) === 'TypeError' && thrown(() => JSON.stringify(1n)) === 'TypeError',
    'JSON: lone surrogates are escaped': () => JSON.stringify('\ud800') === '"\\ud800"',
    'dates': () => new Date('2024-02-29T12:00:00Z').getUTCDay() === 4 && new Date(Date.UTC(2023, 12)).toISOString() === '2024-01-01T00:00:00.000Z' && Number.isNaN(+new Date('x')),
  },
  collections: {
    'map keeps the order of insertion': () => same([...new Map([['b', 1], ['a', 2], ['b', 3]])], [['b', 3], ['a', 2]]),
    'keys NaN and -0': () => new Map([[NaN, 1]]).get(NaN) === 1 && Object.is([...new Set([-0])][0], 0),
    'weak ones refuse plain values': () => thrown(() => new WeakMap().set(1, 1)) === 'TypeError',
    'set from an iterator': () => new Set('hello').size === 4,
  },
})
const queue = (f) => Promise.resolve().then(f)
const structure = (buffer) => (buffer.transfer ? buffer.transfer() : structuredClone(buffer, { transfer: [buffer] }))

/** One line for each area, `area: passed of count`, and one for each check that failed. */
const report = async () => {
  const lines = []
  for (const [area, checks] of Object.entries(areas())) {
    const failed = []
    for (const [name, check] of Object.entries(checks)) {
      let result
      try {
        result = await check()
      } catch (error) {
        result = `${error}`
      }
      if (result !== true) failed.push(`  failed: ${area}: ${name}`)
    }
    const count = Object.keys(checks).length
    lines.push(`${area}: ${count - failed.length} of ${count}`, ...failed)
  }
  return lines
}

for (const line of await report()) print(line)
success()
