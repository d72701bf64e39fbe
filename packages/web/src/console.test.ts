import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogMessage } from '@mirage-ts/signatures/log'
import type { Instant } from '@mirage-ts/signatures/time'
import { createConsole } from './console.ts'

function setUp() {
  const lines: string[] = []
  const to = (level: string) => (message: LogMessage) =>
    void lines.push(`${level} ${typeof message === 'function' ? message() : message}`)
  const logger = { debugOn: true, error: to('error'), warn: to('warn'), info: to('info'), debug: to('debug') }
  let nowUs = 0
  const now = () => {
    nowUs += 1500
    return nowUs as Instant
  }
  const console = createConsole({ logger: () => logger }, { now })
  return { console, lines }
}

describe('console on a log', () => {
  it('writes each kind at its level, values as JSON, and what has no JSON all the same', () => {
    const { console, lines } = setUp()
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    console.log('a', 1, { b: [2] }, null, undefined)
    console.debug('d')
    console.warn('w', cycle)
    console.error(new TypeError('wrong').message)
    console.table([{ a: 1 }])
    assert.deepEqual(lines, [
      'info a 1 {"b":[2]} null undefined',
      'debug d',
      'warn w [object Object]',
      'error wrong',
      'info [{"a":1}]',
    ])
  })

  it('complains of a wrong assertion only', () => {
    const { console, lines } = setUp()
    console.assert(true, 'fine')
    console.assert(false, 'one is %d', 2)
    console.assert(0, { a: 1 })
    console.assert()
    assert.deepEqual(lines, [
      'error Assertion failed: one is %d 2',
      'error Assertion failed {"a":1}',
      'error Assertion failed',
    ])
  })

  it('counts and measures by label', () => {
    const { console, lines } = setUp()
    console.count()
    console.count('x')
    console.count()
    console.countReset()
    console.count()
    console.countReset('y')
    console.time('t')
    console.time('t')
    console.timeLog('t', 'half')
    console.timeEnd('t')
    console.timeEnd('t')
    assert.deepEqual(lines, [
      'info default: 1',
      'info x: 1',
      'info default: 2',
      'info default: 1',
      "warn Count for 'y' does not exist",
      "warn Timer 't' already exists",
      'info t: 1.5ms half',
      'info t: 3ms',
      "warn Timer 't' does not exist",
    ])
  })

  it('indents groups, also of several lines', () => {
    const { console, lines } = setUp()
    console.group('outer')
    console.groupCollapsed('inner')
    console.log('one\ntwo')
    console.groupEnd()
    console.groupEnd()
    console.groupEnd()
    console.log('out')
    assert.deepEqual(lines, ['info outer', 'info   inner', 'info     one\n    two', 'info out'])
  })

  it('remembers no more labels than a bound', () => {
    const { console, lines } = setUp()
    for (let i = 0; i < 1500; i++) console.count(`label ${i}`)
    console.count('label 1400')
    console.count('label 10')
    assert.deepEqual(lines.slice(-2), ['info label 1400: 1', 'info label 10: 2'])
  })
})
