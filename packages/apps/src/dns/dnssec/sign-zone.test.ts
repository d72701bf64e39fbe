import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { describe, it } from 'node:test'
import type { WallInstant } from '@mirage-ts/signatures/time'
import { createZoneKey, zoneKeyOf } from '@mirage-ts/testing/zone-key'
import { formatRr } from '../wire/message.ts'
import { dnsName, nameKey, nameToString } from '../wire/name.ts'
import { buildZone } from '../zone/build-zone.ts'
import type { Zone } from '../zone/zone.ts'
import { parseZoneFile } from '../zone/zone-file.ts'
import { canonicalSet } from './canonical.ts'
import { nsec3Owner } from './nsec3.ts'
import { dnskeyRdata, keyTag, type SignZoneOptions, signZone } from './sign-zone.ts'

const START = '$TTL 3600\n@ SOA ns root 1 2 3 4 60\n@ NS ns\n'
const VALIDITY = { inception: 1_438_207_200e6 as WallInstant, expiration: 1_440_021_600e6 as WallInstant }

async function zoneOf(text: string): Promise<Zone> {
  const origin = dnsName('example.com')
  const include = async (): Promise<undefined> => undefined
  const zone = buildZone(origin, await parseZoneFile(START + text, { file: 'zone', origin, include }))
  if (typeof zone === 'string') throw new Error(zone)
  return zone
}

async function signedLines(text: string, options: Partial<SignZoneOptions> = {}): Promise<string[]> {
  const keys = [createZoneKey(15, 'zone')]
  const rrs = await signZone(await zoneOf(text), { keys, ...VALIDITY, ...options })
  return rrs.map(formatRr)
}

/** Owner and type covered, or owner and types of the NSEC record. */
const covered = (lines: readonly string[]) =>
  lines.flatMap((l) => /^(\S+) .* IN RRSIG (\S+) /.exec(l)?.slice(1).join(' ') ?? [])
const spans = (lines: readonly string[]) =>
  lines.flatMap((l) => /^(\S+) (\d+) IN (NSEC .*)/.exec(l)?.slice(1).join(' ') ?? [])

describe('signing a zone (RFC 4034, RFC 4035 §2)', () => {
  it('makes the key, its tag and the signature of RFC 8080 §6.1', async () => {
    const seed = Buffer.from('ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=', 'base64')
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
    const key = zoneKeyOf(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), 'secure-entry-point')
    assert.equal(keyTag(dnskeyRdata(key)), 3613)
    const lines = await signedLines('@ MX 10 mail\n', { keys: [key] })
    assert.ok(lines.includes('example.com. 3600 IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4='))
    assert.ok(
      lines.includes(
        'example.com. 3600 IN RRSIG MX 15 2 3600 20150819220000 20150729220000 3613 example.com. ' +
          'oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==',
      ),
      lines.join('\n'),
    )
  })

  it('signs what the zone speaks for: no delegation but its DS, no glue, nothing below a DNAME', async () => {
    const lines = await signedLines(
      'sub NS ns.sub\nns.sub A 192.0.2.1\nsafe NS ns\nsafe DS 1 13 2 00\nold DNAME new\nx.old A 192.0.2.2\na.b A 192.0.2.3\n',
    )
    assert.deepEqual(covered(lines), [
      ...['SOA', 'DNSKEY', 'NS', 'NSEC'].map((type) => `example.com. ${type}`),
      ...['a.b.example.com. A', 'a.b.example.com. NSEC', 'old.example.com. DNAME', 'old.example.com. NSEC'],
      ...['safe.example.com. DS', 'safe.example.com. NSEC', 'sub.example.com. NSEC'],
    ])
    // The TTL is that of negative answers (RFC 9077); the last leads to the first.
    assert.deepEqual(spans(lines), [
      'example.com. 60 NSEC a.b.example.com. NS SOA RRSIG NSEC DNSKEY',
      'a.b.example.com. 60 NSEC old.example.com. A RRSIG NSEC',
      'old.example.com. 60 NSEC safe.example.com. DNAME RRSIG NSEC',
      'safe.example.com. 60 NSEC sub.example.com. NS DS RRSIG NSEC',
      'sub.example.com. 60 NSEC example.com. NS RRSIG NSEC',
    ])
  })

  it('a key of its own for the entry signs keys only; a wildcard has a label less', async () => {
    const [entry, own] = [createZoneKey(15, 'secure-entry-point'), createZoneKey(15, 'zone')]
    const lines = await signedLines('* A 192.0.2.1\n', { keys: [entry, own] })
    const by = (type: string) =>
      lines.flatMap((l) => new RegExp(` RRSIG ${type} 15 \\d .* (\\d+) example`).exec(l)?.[1] ?? [])
    assert.deepEqual(by('DNSKEY'), [String(keyTag(dnskeyRdata(entry)))])
    assert.deepEqual(by('SOA'), [String(keyTag(dnskeyRdata(own)))])
    assert.ok(lines.some((l) => l.startsWith('*.example.com. 3600 IN RRSIG A 15 2 ')))
  })

  it('hashes names as RFC 5155 appendix A does', () => {
    const hashing = { iterations: 12, salt: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd) }
    const example = nameKey(dnsName('example'))
    for (const [name, label] of [
      ['example', '0p9mhaveqvm6t7vbl5lop2u3t2rp3tom'],
      ['a.example', '35mthgpgcu1qg68fab165klnsnk3dpvl'],
      ['ai.example', 'gjeqe526plbf1g8mklp59enfd789njgi'],
      ['y.w.example', 'ji6neoaepv8b5o6k4ev33abha8ht9fgc'],
      ['*.w.example', 'r53bq7cc2uvmubfu5ocmm6pers9tk9en'],
    ] as const) {
      assert.equal(nameToString(nsec3Owner(nameKey(dnsName(name)), example, hashing)), `${label}.example.`)
    }
  })

  it('NSEC3: names without records have one too, delegations that are not signed none where spans opt out', async () => {
    const text = 'a.b A 192.0.2.3\nsub NS ns.sub\nns.sub A 192.0.2.1\nsafe NS ns\nsafe DS 1 13 2 00\n'
    const hashing = { iterations: 0, salt: new Uint8Array(0) }
    const origin = nameKey(dnsName('example.com'))
    const ownerOf = (name: string) => nameToString(nsec3Owner(nameKey(dnsName(name)), origin, hashing))
    for (const [isOptOut, names] of [
      [false, ['example.com', 'a.b.example.com', 'b.example.com', 'safe.example.com', 'sub.example.com']],
      [true, ['example.com', 'a.b.example.com', 'b.example.com', 'safe.example.com']],
    ] as const) {
      const lines = await signedLines(text, { denial: { kind: 'nsec3', isOptOut } })
      const records = lines.flatMap((l) => /^(\S+) 60 IN NSEC3 (\S+ \S+ \S+ \S+) (\S+) ?(.*)/.exec(l)?.slice(1) ?? [])
      const owners = records.filter((_, i) => i % 4 === 0)
      assert.deepEqual(owners, names.map(ownerOf).sort())
      assert.deepEqual([...new Set(records.filter((_, i) => i % 4 === 1))], [`1 ${isOptOut ? 1 : 0} 0 -`])
      const nexts = records.filter((_, i) => i % 4 === 2).map((hash) => `${hash.toLowerCase()}.example.com.`)
      assert.deepEqual(nexts, [...owners.slice(1), owners[0]])
      const typesOf = (name: string) => records[4 * owners.indexOf(ownerOf(name)) + 3]
      assert.equal(typesOf('example.com'), 'NS SOA RRSIG DNSKEY NSEC3PARAM')
      assert.equal(typesOf('b.example.com'), '')
      assert.equal(typesOf('safe.example.com'), 'NS DS RRSIG')
      if (!isOptOut) assert.equal(typesOf('sub.example.com'), 'NS')
    }
  })

  it('signs again: old signatures and chains go, keys that it had stay', async () => {
    const keys = [createZoneKey(15, 'zone')]
    const first = await signedLines('www A 192.0.2.1\n', { keys })
    assert.deepEqual(await signedLines(`${first.join('\n')}\n`, { keys }), first)
    const rolled = await signedLines(`${first.join('\n')}\n`)
    assert.equal(rolled.filter((l) => / DNSKEY 256 /.test(l)).length, 2)
  })

  it('the canonical form folds names of old types alone, and orders data as octets (RFC 4034 §6)', async () => {
    const zone = await zoneOf('WWW TXT "b" \nWWW TXT "aa"\nwww TXT ""\nwww MX 1 Mail\nwww SVCB 1 Svc\n')
    const formOf = (type: number) => {
      const set = [...zone.allSets()].find((one) => one.type === type)
      return set === undefined ? '' : Buffer.from(canonicalSet(set)).toString('latin1')
    }
    const owner = '\x03www\x07example\x03com\0'
    const time = '\0\x01\0\0\x0e\x10'
    assert.equal(
      formOf(16),
      ['\0\x01\0', '\0\x02\x01b', '\0\x03\x02aa'].map((rdata) => `${owner}\0\x10${time}${rdata}`).join(''),
    )
    assert.match(formOf(15), /mail/)
    assert.match(formOf(64), /Svc/)
  })

  it('says why it cannot', async () => {
    await assert.rejects(signedLines('', { keys: [] }), /Cannot sign example\.com\.: there are no keys; expected one/)
    await assert.rejects(signedLines('', { expiration: VALIDITY.inception }), /end before they begin/)
    await assert.rejects(signedLines('', { expiration: 9_999_999_999e6 as WallInstant }), /more than 68 years/)
    for (const [denial, problem] of [
      [{ kind: 'nsec3', iterations: 101 }, /NSEC3 with 101 iterations; expected 0 to 100/],
      [{ kind: 'nsec3', salt: new Uint8Array(256) }, /256 octets of salt; expected 255 at most/],
    ] as const) {
      await assert.rejects(signedLines('', { denial }), problem)
    }
    await assert.rejects(
      signedLines('@ DNSKEY 256 3 13 AAAA\n'),
      /a DNSKEY record of algorithm 13; expected a key of it/,
    )
  })
})
