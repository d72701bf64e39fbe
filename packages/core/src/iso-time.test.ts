import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WallInstant } from '@mirage-ts/signatures/time'
import fc from 'fast-check'
import { isoTime } from './iso-time.ts'

const expected = (us: number): string => new Date(Math.floor(us / 1000)).toISOString()

describe('ISO time', () => {
  it('is what Date says, at the ends of months, years and centuries', () => {
    for (const year of [1600, 1900, 1969, 1970, 1999, 2000, 2023, 2024, 2100, 2200]) {
      for (let month = 0; month < 12; month++) {
        for (const msFrom of [-1, 0, 1, 86_399_999]) {
          const us = (Date.UTC(year, month, 1) + msFrom) * 1000
          assert.equal(isoTime(us as WallInstant), expected(us))
        }
      }
    }
  })

  it('is what Date says for any moment from the year 1684 to 2255', () => {
    const moment = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
    fc.assert(fc.property(moment, (us) => assert.equal(isoTime(us as WallInstant), expected(us))))
  })
})
