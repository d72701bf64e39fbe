/** The Linux side of tcp-linux.test.ts, run inside its network namespace: one command, one line of JSON at the end. */
import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'

const [command, host, port, lenBytes, slowMs] = process.argv.slice(2)

/** Octet i is a function of i alone: no file, and a hole shows. */
export function pattern(off, len) {
  const octets = new Uint8Array(len)
  for (let i = 0; i < len; i++) octets[i] = ((off + i) * 2654435761) >>> 24
  return octets
}

function send(socket, len, then) {
  let off = 0
  const more = () => {
    while (off < len) {
      const piece = Math.min(16384, len - off)
      off += piece
      if (!socket.write(pattern(off - piece, piece))) {
        socket.once('drain', more)
        return
      }
    }
    then()
  }
  more()
}

function receive(socket, done) {
  const hash = createHash('sha256')
  let bytes = 0
  socket.on('data', (chunk) => {
    hash.update(chunk)
    bytes += chunk.length
    if (slowMs !== undefined) {
      socket.pause()
      setTimeout(() => socket.resume(), Number(slowMs))
    }
  })
  socket.on('end', () => done({ bytes, sha256: hash.digest('hex') }))
}

const report = (result) => console.log(JSON.stringify(result))

if (command === 'hash') {
  // What a peer should report that received lenBytes of the pattern.
  const hash = createHash('sha256')
  for (let off = 0; off < Number(lenBytes); off += 65536) hash.update(pattern(off, Math.min(65536, lenBytes - off)))
  report({ bytes: Number(lenBytes), sha256: hash.digest('hex') })
} else if (command === 'client') {
  // Sends lenBytes and receives to the end at once.
  const socket = connect({ host, port: Number(port), allowHalfOpen: true })
  socket.on('error', (error) => report({ error: error.code }))
  socket.on('connect', () => {
    receive(socket, report)
    send(socket, Number(lenBytes), () => socket.end())
  })
} else if (command === 'server') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close()
    receive(socket, report)
    send(socket, Number(lenBytes), () => socket.end())
    socket.on('error', (error) => report({ error: error.code }))
  })
  server.listen(Number(port), host, () => report('listening'))
}
