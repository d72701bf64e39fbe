/** The core of our DNS server and NSD, asked the same questions about the same zone: what they answer must be the same. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, before, describe, it } from 'node:test'
import { coreOf, exchange, query, zoneOf } from '@mirage-ts/apps/dns/testing/dns'
import { FLAG, formatRr, type Message, parseMessage } from '@mirage-ts/apps/dns/wire/message'
import { rcodeToString } from '@mirage-ts/apps/dns/wire/types'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { Nsd } from './lib/nsd.ts'

const ZONE = `$TTL 3600
@ SOA ns1 root 7 7200 900 1209600 300
  NS ns1
  NS ns2.example.net.
  MX 10 mail
  TXT "apex"
ns1 A 192.0.2.1
    AAAA 2001:db8::1
mail A 192.0.2.25
www CNAME web
web A 192.0.2.80
    A 192.0.2.81
chain1 CNAME chain2
chain2 CNAME www
out CNAME www.example.org.
dangling CNAME nowhere
below.a.b.c A 192.0.2.9
old DNAME new
old TXT "beside a DNAME"
x.new A 192.0.2.33
away DNAME example.org.
*.wild A 192.0.2.99
*.wild MX 5 mail
there.wild TXT "there"
deep.ent.wild TXT "deep"
*.alias CNAME web
*.nxalias CNAME nowhere
_sip._udp SRV 0 0 5060 mail
sub NS ns.sub
sub NS ns1
sub DS 1 13 2 ${'00'.repeat(32)}
ns.sub A 192.0.2.53
occluded.sub A 192.0.2.54
far NS ns.example.net.
cut.wild NS ns.example.net.
`

/** Owners of the zone, names between and beside them, below and above. */
const NAMES = [
  ...[
    '',
    'ns1.',
    'mail.',
    'www.',
    'web.',
    'chain1.',
    'out.',
    'dangling.',
    'below.a.b.c.',
    'a.b.c.',
    'b.c.',
    'c.',
    'x.c.',
  ],
  ...['old.', 'x.old.', 'y.old.', 'x.y.old.', 'x.new.', 'away.', 'a.away.', 'wild.', '*.wild.', 'a.wild.', 'a.b.wild.'],
  ...[
    'there.wild.',
    'a.there.wild.',
    'ent.wild.',
    'a.ent.wild.',
    'deep.ent.wild.',
    '*.a.wild.',
    'cut.wild.',
    'a.cut.wild.',
  ],
  ...[
    'alias.',
    'x.alias.',
    'x.y.alias.',
    'x.nxalias.',
    '_sip._udp.',
    '_udp.',
    'sub.',
    'a.sub.',
    'ns.sub.',
    'occluded.sub.',
  ],
  ...['far.', 'a.far.', 'none.', 'a.none.', 'a.web.', '*.', 'WeB.', 'A.WILD.'],
]
const TYPES = ['A', 'AAAA', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'DNAME', 'DS', 'SRV', 'TYPE65280']

const PORT = 20_000 + (process.pid % 10_000)

describe('dns server: the same answers as NSD', () => {
  const socket = createSocket('udp4')
  /** By ID: an answer to a try before NSD was ready may come late. */
  const waiting = new Map<number, (octets: Uint8Array) => void>()
  let id = 0
  let nsd: Nsd
  before(async () => {
    nsd = new Nsd({ address: '127.0.0.1', port: PORT, origin: 'example.com', zone: ZONE })
    socket.on('message', (octets) => waiting.get(octets.readUInt16BE(0))?.(new Uint8Array(octets)))
    socket.on('error', () => {})
    while ((await askNsd('example.com SOA', 200)) === undefined);
  })
  after(async () => {
    socket.close()
    await nsd.stop()
  })

  async function askNsd(text: string, timeoutMs = 10_000): Promise<Message | undefined> {
    const mine = ++id
    socket.send(query(text, { id: mine }), PORT, '127.0.0.1')
    const octets = await new Promise<Uint8Array | undefined>((resolve) => {
      waiting.set(mine, resolve)
      setTimeout(() => resolve(undefined), timeoutMs).unref()
    })
    waiting.delete(mine)
    const message = octets === undefined ? undefined : parseMessage(octets)
    if (typeof message === 'string') throw new Error(message)
    return message
  }

  it(`${NAMES.length * TYPES.length} questions`, async () => {
    const core = coreOf({ random: new SeededRandom(1), clock: new MockTime() }, [await zoneOf('example.com', ZONE)])
    const differences: string[] = []
    for (const name of NAMES) {
      for (const type of TYPES) {
        const text = `${name}example.com ${type}`
        const [ours, theirs] = [summary(exchange(core, query(text))), summary(await askNsd(text))]
        if (ours !== theirs) differences.push(`${text}\n  ours ${ours}\n  NSD  ${theirs}`)
      }
    }
    assert.deepEqual(differences, [])
  })
})

/** Code, flags, answers; of the authority section what an answer that is none needs (NSD adds servers to others). */
function summary(message: Message | undefined): string {
  if (message === undefined) return 'none'
  const isNegative = message.answers.length === 0 || message.rcode !== 0
  return [
    rcodeToString(message.rcode),
    message.flags & FLAG.AUTHORITATIVE ? 'aa' : '',
    ...message.answers.map(formatRr).sort(),
    ...(isNegative ? message.authorities.map((rr) => `authority ${formatRr(rr)}`).sort() : []),
  ].join(' | ')
}
