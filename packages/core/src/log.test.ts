import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createLog, parseLogLevels } from './log.ts'

function setUp(levels?: string) {
  const lines: string[] = []
  const console = { write: (text: string) => void lines.push(text) }
  const clock = { now: () => 1_700_000_000_123_456 as WallInstant }
  return { lines, log: createLog({ console, clock }, levels === undefined ? {} : { levels }) }
}

describe('log', () => {
  it('writes time, level, source and text on a line', () => {
    const { lines, log } = setUp()
    log.logger('tcp').info('hello')
    assert.deepEqual(lines, ['2023-11-14T22:13:20.123Z INFO  [tcp] hello\n'])
  })

  it('keeps what the level of the source lets through', () => {
    const { lines, log } = setUp('*:warn,tcp:debug,ip:quiet')
    for (const source of ['tcp', 'ip', 'udp']) {
      const logger = log.logger(source)
      for (const level of ['error', 'warn', 'info', 'debug'] as const) logger[level](source + level)
    }
    const kept = lines.map((line) => line.trimEnd().split(' ').at(-1))
    assert.deepEqual(kept, ['tcperror', 'tcpwarn', 'tcpinfo', 'tcpdebug', 'udperror', 'udpwarn'])
    assert.deepEqual([log.logger('tcp').debugOn, log.logger('udp').debugOn], [true, false])
  })

  it('takes the last level given for a source', () => {
    const { log } = setUp('tcp:debug,debug,tcp:info,*:info')
    assert.deepEqual([log.logger('tcp').debugOn, log.logger('udp').debugOn], [false, false])
    assert.equal(setUp('info,tcp:quiet,tcp:debug').log.logger('tcp').debugOn, true)
  })

  it('does not build a message that nobody reads', () => {
    const { log } = setUp()
    log.logger('x').debug(() => assert.fail('built'))
  })

  it('says what is wrong with levels', () => {
    assert.match(String(parseLogLevels('tcp:loud')), /expected SOURCE:LEVEL .* got "tcp:loud"/)
    assert.throws(() => setUp(':info'), /Cannot set log levels/)
    assert.match(String(parseLogLevels('tcp:toString')), /got "tcp:toString"/)
    assert.match(String(parseLogLevels('debug,')), /got ""/)
    assert.deepEqual(parseLogLevels('debug'), [{ source: '*', level: 'debug' }])
  })
})
