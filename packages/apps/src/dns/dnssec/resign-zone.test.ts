import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createZoneKey } from '@mirage-ts/testing/zone-key'
import fc from 'fast-check'
import { zoneOf } from '../testing/dns.ts'
import { formatRr } from '../wire/message.ts'
import { dnsName, type Name, nameKey } from '../wire/name.ts'
import { TYPE } from '../wire/types.ts'
import { buildZone } from '../zone/build-zone.ts'
import { rrsOf, type Zone } from '../zone/zone.ts'
import { ZoneEdit } from '../zone/zone-edit.ts'
import { resignZone } from './resign-zone.ts'
import { type DenialOptions, signZone } from './sign-zone.ts'

const START = `$TTL 60
@ SOA ns root 1 2 3 4 60
@ NS ns
ns A 192.0.2.1
a.b A 192.0.2.2
sub NS ns.sub
ns.sub A 192.0.2.3
safe NS ns
safe DS 1 13 2 00
*.wild TXT "x"
`
const VALIDITY = { inception: 1_438_207_200e6 as WallInstant, expiration: 1_440_021_600e6 as WallInstant }

async function signed(zone: Zone, options: Parameters<typeof signZone>[1]): Promise<Zone> {
  const built = buildZone(zone.origin, await signZone(zone, options))
  if (typeof built === 'string') throw new Error(built)
  return built
}

function linesOf(zone: Zone): string[] {
  return [...zone.allSets()].flatMap(rrsOf).map(formatRr).sort()
}

/** As an update does that deletes a name: what signing has made goes, too. */
function removeAll(edit: ZoneEdit, name: Name): void {
  for (const { type } of edit.zone.find(nameKey(name))?.sets ?? []) edit.removeSet(nameKey(name), type)
}

const DENIALS: readonly DenialOptions[] = [{ kind: 'nsec' }, { kind: 'nsec3' }, { kind: 'nsec3', isOptOut: true }]

describe('signing what has changed', () => {
  for (const denial of DENIALS) {
    it(`comes to what signing all of it would (${JSON.stringify(denial)})`, async () => {
      // Ed25519 signs the same the same way.
      const options = { keys: [createZoneKey(15, 'zone')], ...VALIDITY, denial }
      const name = fc.constantFrom(
        'a.b',
        'b',
        'c',
        'x.y.z',
        'y.z',
        'sub',
        'a.sub',
        'safe',
        'old',
        'x.old',
        'o.wild',
        'm',
      )
      const record = fc.constantFrom(
        { type: TYPE.A, rdata: Uint8Array.of(192, 0, 2, 7) },
        { type: TYPE.A, rdata: Uint8Array.of(192, 0, 2, 8) },
        { type: TYPE.TXT, rdata: Uint8Array.of(1, 0x61) },
        { type: TYPE.NS, rdata: Uint8Array.of(1, 0x6e, 0) },
        { type: TYPE.DNAME, rdata: Uint8Array.of(1, 0x6f, 0) },
        { type: TYPE.DS, rdata: Uint8Array.of(0, 1, 15, 2, 9) },
      )
      const change = fc.record({ name, record, isGone: fc.boolean() })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
          async (edits) => {
            const zone = await signed(await zoneOf('m', START), options)
            for (const changes of edits) {
              const edit = new ZoneEdit(zone)
              for (const {
                name: words,
                record: { type, rdata },
                isGone,
              } of changes) {
                const rr = { name: dnsName(words === 'm' ? 'm' : `${words}.m`), type, class: 1, ttl: 60, rdata }
                if (words === 'm' && (type === TYPE.NS || type === TYPE.DS)) continue
                if (isGone && type === TYPE.TXT && words !== 'm') removeAll(edit, rr.name)
                else if (isGone) edit.remove(rr)
                else edit.add(rr)
              }
              await resignZone(edit, options)
              edit.commit()
            }
            assert.deepEqual(linesOf(zone), linesOf(await signed(zone, options)))
          },
        ),
        { numRuns: 40 },
      )
    })
  }

  it('keeps every signature that still holds, and raises the serial', async () => {
    const options = { keys: [createZoneKey(13, 'zone')], ...VALIDITY }
    const zone = await signed(await zoneOf('m', START), options)
    const before = new Set(linesOf(zone))
    const edit = new ZoneEdit(zone)
    edit.add({ name: dnsName('new.m'), type: TYPE.A, class: 1, ttl: 60, rdata: Uint8Array.of(192, 0, 2, 9) })
    await resignZone(edit, options)
    const change = edit.commit()
    const made = linesOf(zone).filter((line) => !before.has(line))
    const summary = made.map((line) =>
      line
        .split(' ')
        .filter((_, i) => [0, 3, 4].includes(i))
        .join(' '),
    )
    assert.deepEqual(summary, [
      'a.b.m. NSEC new.m.',
      'a.b.m. RRSIG NSEC',
      'm. RRSIG SOA',
      'm. SOA ns.m.',
      'new.m. A 192.0.2.9',
      'new.m. NSEC ns.m.',
      'new.m. RRSIG A',
      'new.m. RRSIG NSEC',
    ])
    assert.equal(change?.added.length, made.length - 1)
    assert.equal(zone.soa.serial, 2)
  })
})
