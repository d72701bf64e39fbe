/**
 * Sends changed messages into the DNS codec and the server, and changed text into the zone file parser, until the time is
 * up: `node --import tsx fuzz/dns.ts --seconds 60 --seed 1`. Begins with `dns-corpus/`: messages that dig, kdig, nsupdate and
 * NSD sent, and hostile ones. A batch that fails is reproduced by its seed alone.
 *
 * What must hold: nothing throws, every reply is a message, and what is a message is the same when written and read again.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { coreOf, zoneOf } from '@mirage-ts/apps/dns/testing/dns'
import { type Message, parseMessage, writeMessage } from '@mirage-ts/apps/dns/wire/message'
import { dnsName, nameKey } from '@mirage-ts/apps/dns/wire/name'
import { rdataKey } from '@mirage-ts/apps/dns/wire/rdata'
import { formatRdata } from '@mirage-ts/apps/dns/wire/rdata-text'
import { WireWriter } from '@mirage-ts/apps/dns/wire/wire'
import { parseZoneFile, ZoneFileError } from '@mirage-ts/apps/dns/zone/zone-file'
import { fromHex } from '@mirage-ts/core/bytes'
import type { Ipv4, Port } from '@mirage-ts/signatures/addresses'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const MESSAGES_PER_BATCH = 20_000
const FILES_PER_BATCH = 300

const here = fileURLToPath(new URL('.', import.meta.url))
const corpus = readdirSync(join(here, 'dns-corpus')).map((file) =>
  fromHex(readFileSync(join(here, 'dns-corpus', file), 'utf8')),
)
const zoneFile = readFileSync(join(here, '../examples/applications/dns-server/zones/example.com.zone'), 'latin1')

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const end = Date.now() + Number(values.seconds) * 1000

for (let seed = Number(values.seed); Date.now() < end; seed++) {
  const counts = await runBatch(new SeededRandom(seed))
  console.log(`seed ${seed}: ${MESSAGES_PER_BATCH} messages, ${counts}`)
}

async function runBatch(random: SeededRandom): Promise<string> {
  const zone = await zoneOf('example.com', zoneFile.replace(/^\$INCLUDE.*$/m, ''))
  const anybody = { keys: [], networks: [{ address: 0 as Ipv4, prefixBits: 0 }] }
  const policy = { transferTo: anybody, updateFrom: anybody, notifyFrom: anybody }
  const core = coreOf({ random, clock: new MockTime() }, [zone], { policy })
  let wellFormedCount = 0
  let replyCount = 0
  for (let i = 0; i < MESSAGES_PER_BATCH; i++) {
    const octets = mutate(random)
    const message = parseMessage(octets)
    if (typeof message === 'object') {
      wellFormedCount++
      checkRoundTrip(message)
    }
    const length = core.handle(octets, { address: random.u32() as Ipv4, port: 53 as Port }, random.chance(0.5))
    if (length > 0) {
      replyCount++
      const reply = parseMessage(core.frame.u8, 0, length)
      assert(typeof reply === 'object', `the reply is malformed: ${String(reply)}`)
    }
    const transfer = core.takeTransfer()
    for (let next = transfer?.next(); next !== undefined; next = transfer?.next()) {
      assert(typeof parseMessage(next) === 'object', 'a message of a transfer is malformed')
    }
  }
  let goodFiles = 0
  for (let i = 0; i < FILES_PER_BATCH; i++) goodFiles += await checkZoneFile(random)
  return `${wellFormedCount} of them well-formed, ${replyCount} replies; ${FILES_PER_BATCH} zone files, ${goodFiles} good`
}

/** One of the corpus with some octets changed, or two of them spliced, or cut. */
function mutate(random: SeededRandom): Uint8Array {
  const pick = () => corpus[random.below(corpus.length)] as Uint8Array
  let octets = pick().slice()
  if (random.chance(0.1)) octets = Uint8Array.from([...octets.subarray(0, random.below(octets.length)), ...pick()])
  if (random.chance(0.1)) octets = octets.slice(0, random.below(octets.length))
  for (let n = random.below(6); n > 0 && octets.length > 0; n--) {
    const interesting = [0, 1, 0x3f, 0x40, 0xc0, 0x0c, 0xff]
    octets[random.below(octets.length)] = random.chance(0.5)
      ? (interesting[random.below(interesting.length)] as number)
      : random.u32() & 255
  }
  // A query again, now and then, so that the server does not stop at the first bit.
  if (octets.length > 2 && random.chance(0.3)) octets[2] = (octets[2] as number) & 0x7f
  return octets
}

function checkRoundTrip(message: Message): void {
  const writer = new WireWriter(65_535)
  const again = parseMessage(writer.u8.slice(0, writeMessage(writer, message)))
  assert(typeof again === 'object', `written again it is malformed: ${String(again)}`)
  assert.deepEqual(summary(again), summary(message))
}

function summary(message: Message): unknown {
  const { id, opcode, flags, questions, answers, authorities, additionals } = message
  for (const rr of answers) formatRdata(rr.type, rr.rdata)
  return {
    id,
    opcode,
    flags,
    rcode: message.edns === undefined ? message.rcode & 15 : message.rcode,
    questions: questions.map((question) => [nameKey(question.name), question.type, question.class]),
    records: [answers, authorities, additionals].map((rrs) =>
      rrs.map((rr) => [
        nameKey(rr.name),
        rr.type,
        rr.class,
        rr.ttl,
        rr.rdata.length === 0 ? '' : rdataKey(rr.type, rr.rdata),
      ]),
    ),
  }
}

/** 1 when the changed file is still one. */
async function checkZoneFile(random: SeededRandom): Promise<number> {
  let text = zoneFile
  for (let n = 1 + random.below(5); n > 0; n--) {
    const at = random.below(text.length)
    const inserted = ['', '(', ')', '"', '\\', ';', '\n', '$', ' ', '\u00ff', '\\032', '\\#'][
      random.below(12)
    ] as string
    text = text.slice(0, at) + inserted + text.slice(at + random.below(4))
  }
  try {
    await parseZoneFile(text, { file: 'fuzz', origin: dnsName('example.com'), include: async () => '' })
    return 1
  } catch (error) {
    assert(error instanceof ZoneFileError && /^[^:]+:\d+: /.test(error.message), String(error))
    return 0
  }
}
