/**
 * The client of bench/connections.ts: `HOST PORT COUNT` opens so many connections, talks on them, closes them, and prints a line of
 * JSON for each step; it goes on with the next when it reads a line. Then it opens and closes connections for SECONDS.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [host, port, count, seconds] = process.argv.slice(2)
const total = Number(count)
const forMs = Number(seconds) * 1000
/** Handshakes, or requests, on their way at once. */
const AT_ONCE = 64
const REQUEST = Buffer.alloc(100, 0x61)
const steps = createInterface(process.stdin)[Symbol.asyncIterator]()
const tell = async (line) => {
  console.log(JSON.stringify(line))
  await steps.next()
}

class Client {
  constructor(socket) {
    this.socket = socket
    this.missing = 0
    socket.on('data', (chunk) => {
      this.missing -= chunk.length
      if (this.missing <= 0) this.answered()
    })
  }

  static async open() {
    const socket = connect({ host, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    return new Client(socket)
  }

  /** Sends a request and waits until all of it has come back. */
  ask() {
    this.missing = REQUEST.length
    return new Promise((resolve) => {
      this.answered = resolve
      this.socket.write(REQUEST)
    })
  }

  async close() {
    this.socket.end()
    await once(this.socket, 'close')
  }
}

/** Some workers, each of which calls `one(its number)` until `isOver`; returns how many a second that were. */
async function rate(workerCount, isOver, one) {
  const from = performance.now()
  let count = 0
  const work = async (_, worker) => {
    for (let turn = 0; !isOver(count, performance.now() - from); turn++) {
      count++
      await one(worker + turn * workerCount)
    }
  }
  await Promise.all(Array.from({ length: workerCount }, work))
  return { count, perSecond: (count * 1000) / (performance.now() - from) }
}

const clients = []
const isTimeOver = (_, ms) => ms >= forMs
const opened = await rate(
  AT_ONCE,
  (count) => count >= total,
  async () => void clients.push(await Client.open()),
)
await tell({ step: 'opened', ...opened })
for (const busy of [10, 100, 1000, 10_000].filter((some) => some <= total)) {
  // Each worker has connections of its own and asks them in turn.
  const workerCount = Math.min(AT_ONCE, busy)
  const share = Math.floor(busy / workerCount) * workerCount
  await tell({ step: 'asked', busy, ...(await rate(workerCount, isTimeOver, (i) => clients[i % share].ask())) })
}
await Promise.all(clients.map((client) => client.close()))
await tell({ step: 'closed' })
const short = await rate(AT_ONCE, isTimeOver, async () => {
  const client = await Client.open()
  await client.ask()
  await client.close()
})
await tell({ step: 'short', ...short })
process.exit()
