/**
 * Tests in the form of test262's, for the harness itself: those that must pass, and those that must not. Each is named by what
 * it is about; `wanted` is what the failure says, or absent when there must be none.
 */

export interface OwnTest {
  readonly about?: string
  readonly code: string
  readonly wanted?: RegExp
  /** It fails as strict code alone. */
  readonly passesSloppy?: true
}

/** What test262's own files of these names define, in few words. */
export const HARNESS: Readonly<Record<string, string>> = {
  'sta.js': `function Test262Error(message) { this.message = message }
Test262Error.prototype.toString = function () { return 'Test262Error: ' + this.message }
function $DONOTEVALUATE() { throw 'this must not run' }`,
  'assert.js': `function assert(fact, message) { if (fact !== true) throw new Test262Error(message) }`,
  'extra.js': 'var extra = 42',
  'broken.js': 'throw new Error("the harness is broken")',
}

export const FIXTURES: Readonly<Record<string, string>> = {
  'module/value_FIXTURE.js': 'export const value = 7; export { other } from "./deeper/other_FIXTURE.js"',
  'module/deeper/other_FIXTURE.js': 'import { value } from "../value_FIXTURE.js"; export const other = () => value + 1',
  'module/wrong_FIXTURE.js': 'let a = = 1',
  'module/data_FIXTURE.json': '{ "list": [1, 2] }',
}

/** For what takes long. */
const ONCE = 'flags: [onlyStrict]'
const NEGATIVE = (phase: string, type: string) => `negative:\n  phase: ${phase}\n  type: ${type}`
const HOST = `const { $262: { createRealm, detachArrayBuffer, evalScript, gc, global, IsHTMLDDA } } = globalThis
assert(global === globalThis, 'global')
const other = createRealm()
assert(other.global.Array !== Array && other.evalScript('[]') instanceof other.global.Array, 'createRealm')
evalScript('var made = 1; let kept = 2')
assert(made === 1 && kept === 2, 'evalScript')
const buffer = new ArrayBuffer(8)
detachArrayBuffer(buffer)
assert(buffer.byteLength === 0, 'detachArrayBuffer')
gc()
assert(typeof IsHTMLDDA === 'undefined' && IsHTMLDDA == null && IsHTMLDDA() === null, 'IsHTMLDDA')`

export const OWN_TESTS: Readonly<Record<string, OwnTest>> = {
  'mode/any.js': { code: 'assert(typeof this === "object", "this")' },
  'mode/sloppy.js': { about: 'flags: [noStrict]', code: 'assert((function () { return this })() === this, "sloppy")' },
  'mode/strict.js': {
    about: 'flags: [onlyStrict]',
    code: 'assert((function () { return this })() === undefined, "strict")',
  },
  'mode/strict-fails.js': {
    code: 'undeclared = 1',
    wanted: /^ReferenceError: .* at .*mode\/strict-fails\.js/,
    passesSloppy: true,
  },
  'mode/raw.js': { about: 'flags: [raw]', code: 'if (typeof assert !== "undefined") throw "there is a harness"' },
  'mode/indented.js': {
    about: '  flags:\n    - onlyStrict\n  features: [ Array,\n    Map ]',
    code: 'assert(!this.x, "")',
  },
  'mode/includes.js': { about: 'includes: [extra.js]', code: 'assert(extra === 42, "extra")' },
  'mode/includes-broken.js': { about: 'includes: [broken.js]', code: '', wanted: /the harness is broken/ },
  'mode/compiler.js': {
    code: 'assert(eval("1 + 1") + Function("return 2")() + new RegExp("a").source.length === 5, "")',
  },
  'mode/host.js': { about: 'flags: [noStrict]', code: HOST },

  'sync/assertion.js': { code: 'assert(false, "said")', wanted: /^Test262Error: said/ },
  'sync/primitive.js': { code: 'throw 7', wanted: /^7$/ },
  'sync/unprintable.js': { code: 'throw { toString() { throw 1 } }', wanted: /cannot be made a string/ },
  'sync/lines.js': { code: 'throw new Error("a\\nb\\x06c\\x15d\\x04e")', wanted: /^Error: a b c d e/ },
  'sync/job.js': { code: 'Promise.resolve().then(() => { throw 1 })' },

  'negative/parse.js': { about: NEGATIVE('parse', 'SyntaxError'), code: '$DONOTEVALUATE()\nlet a = = 1' },
  'negative/parse-none.js': {
    about: NEGATIVE('parse', 'SyntaxError'),
    code: 'let a = 1',
    wanted: /ended without the SyntaxError/,
  },
  'negative/parse-late.js': {
    about: NEGATIVE('parse', 'SyntaxError'),
    code: 'throw new SyntaxError("late")',
    wanted: /^SyntaxError: late/,
  },
  'negative/parse-other.js': {
    about: NEGATIVE('parse', 'ReferenceError'),
    code: 'let a = = 1',
    wanted: /^SyntaxError/,
  },
  'negative/runtime.js': { about: NEGATIVE('runtime', 'Test262Error'), code: 'throw new Test262Error("right")' },
  'negative/runtime-early.js': {
    about: NEGATIVE('runtime', 'SyntaxError'),
    code: 'let a = = 1',
    wanted: /^SyntaxError/,
  },

  'async/done.js': { about: 'flags: [async]', code: 'Promise.resolve().then(() => {}).then($DONE, $DONE)' },
  'async/error.js': {
    about: 'flags: [async]',
    code: 'Promise.reject(new Error("refused")).then($DONE, $DONE)',
    wanted: /^Error: refused/,
  },
  'async/never.js': { about: 'flags: [async]', code: 'new Promise(() => {}).then($DONE)', wanted: /\$DONE 0 times/ },
  'async/twice.js': { about: 'flags: [async]', code: '$DONE(); $DONE()', wanted: /\$DONE 2 times/ },
  'async/throws.js': { about: 'flags: [async]', code: '$DONE(); throw 8', wanted: /^8$/ },
  'async/not-async.js': { code: '$DONE()', wanted: /^ReferenceError/ },

  'module/imports.js': {
    about: 'flags: [module]',
    code: `import { value, other } from './value_FIXTURE.js'
import * as self from './imports.js'
import data from './data_FIXTURE.json' with { type: 'json' }
export const here = 1
assert(value === 7 && other() === 8 && data.list[1] === 2, 'imports')
await null
assert(self.here === 1 && this === undefined && typeof import.meta === 'object', 'module')
assert((await import('./deeper/other_FIXTURE.js')).other() === 8, 'import()')`,
  },
  'module/from-script.js': {
    about: 'flags: [async]',
    code: 'import("./value_FIXTURE.js").then((m) => assert(m.value === 7, "value")).then($DONE, $DONE)',
  },
  'module/absent.js': { about: 'flags: [module]', code: 'import "./absent_FIXTURE.js"', wanted: /no module/ },
  'module/rejects.js': { about: 'flags: [module]', code: 'await null; throw new Error("late")', wanted: /late/ },
  'module/waits.js': { about: 'flags: [module]', code: 'await new Promise(() => {})', wanted: /never ends/ },
  'module/negative-link.js': {
    about: `flags: [module]\n${NEGATIVE('resolution', 'SyntaxError')}`,
    code: 'import { nothing } from "./value_FIXTURE.js"',
  },
  'module/negative-dependency.js': {
    about: `flags: [module]\n${NEGATIVE('resolution', 'SyntaxError')}`,
    code: 'import "./wrong_FIXTURE.js"',
  },
  'module/negative-own.js': {
    about: `flags: [module]\n${NEGATIVE('resolution', 'SyntaxError')}`,
    code: 'let a = = 1',
    wanted: /^SyntaxError/,
  },
  'module/negative-await.js': {
    about: `flags: [module]\n${NEGATIVE('runtime', 'RangeError')}`,
    code: 'await null; throw new RangeError()',
  },

  'limit/loop.js': { about: ONCE, code: 'try { for (;;); } finally { for (;;); }', wanted: /^took too long/ },
  'limit/job.js': { about: ONCE, code: 'Promise.resolve().then(() => { for (;;); })', wanted: /^took too long/ },
  'limit/jobs.js': {
    about: ONCE,
    code: '(function again() { Promise.resolve().then(again) })()',
    wanted: /^took too long/,
  },
  'limit/negative.js': {
    about: `${ONCE}\n${NEGATIVE('runtime', 'InternalError')}`,
    code: 'for (;;);',
    wanted: /^took too long/,
  },
  'limit/stack.js': {
    code: 'let e; try { (function f() { f() })() } catch (x) { e = x }; assert(e instanceof RangeError, "")',
  },
  'limit/memory.js': { code: 'const all = []; for (;;) all.push(new Uint8Array(1 << 24))', wanted: /out of memory/ },
  'limit/memory-after.js': { code: 'assert(new Uint8Array(1 << 20).length > 0, "memory is back")' },
  'limit/leak.js': { code: '$262.leak()', wanted: /^leaves 128 octets/ },
  'limit/crash.js': { about: ONCE, code: '$262.crash()', wanted: /^crash \(.*a test asked for it/ },
  'limit/crash-after.js': { code: 'assert(true, "goes on")' },
}

/** Does not look at the time: the host must end the machine. */
export const STUCK: OwnTest = {
  about: ONCE,
  code: 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  wanted: /^does not answer/,
}

/** The text of a test's file. */
export function fileOf({ about = '', code }: OwnTest): string {
  return `// A licence would stand here.\n\n/*---\n${about}\n---*/\n\n${code}\n`
}
