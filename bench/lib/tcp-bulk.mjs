/** Linux's end of bench/tcp-tap.ts: `serve HOST PORT BYTES` takes one connection, sends so much and reads to the end. */
import { connect, createServer } from 'node:net'

const [command, host, port, lenBytes] = process.argv.slice(2)
const piece = new Uint8Array(256 * 1024)

function exchange(socket) {
  let received = 0
  socket.on('data', (chunk) => {
    received += chunk.length
  })
  socket.on('end', () => console.log(JSON.stringify({ received })))
  let left = Number(lenBytes)
  const more = () => {
    while (left > 0) {
      const len = Math.min(left, piece.length)
      left -= len
      if (!socket.write(piece.subarray(0, len))) {
        socket.once('drain', more)
        return
      }
    }
    socket.end()
  }
  more()
}

if (command === 'serve') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close()
    exchange(socket)
  })
  server.listen(Number(port), host, () => console.log('"listening"'))
} else {
  const socket = connect({ host, port: Number(port), allowHalfOpen: true }, () => exchange(socket))
}
