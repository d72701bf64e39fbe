/**
 * Asks the group of multicast DNS for the addresses of a name, as an ordinary resolver would: `NAME ADDRESS [qu]`, ADDRESS being ours.
 * With `qu` from the port of multicast DNS and with the bit that asks for a unicast answer (RFC 6762 §5.4). Prints who answered
 * this socket alone: source, identifier, number of questions, then of the first answer its time to live and its address.
 */
import { createSocket } from 'node:dgram'

const GROUP = '224.0.0.251'
const PORT = 5353
const [name = '', address = '', mode] = process.argv.slice(2)
const isQu = mode === 'qu'

const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]))
const question = Buffer.concat([...labels, Buffer.of(0, 0, 1, isQu ? 0x80 : 0, 1)])
const query = Buffer.concat([Buffer.from('12340000000100000000000000'.slice(0, 24), 'hex'), question])

const socket = createSocket({ type: 'udp4', reuseAddr: true })
const failed = setTimeout(() => {
  console.log('nobody answered')
  socket.close()
}, 5000)
socket.on('message', (reply, from) => {
  if ((reply.readUInt16BE(2) & 0x8000) === 0) return
  const count = reply.readUInt16BE(4)
  // The name in the question, or first in the answer, is whole: nothing stands before it that a pointer could lead to.
  let off = 12 + question.length - 4
  if (count > 0) off += 4 + (reply.readUInt8(off + 4) >= 192 ? 2 : question.length - 4)
  const ttl = reply.readUInt32BE(off + 4)
  console.log(
    `${from.address}:${from.port} id=${reply.readUInt16BE(0).toString(16)} questions=${count} ttl=${ttl} ${reply.subarray(off + 10, off + 14).join('.')}`,
  )
  clearTimeout(failed)
  socket.close()
})
// Not a member of the group: what is sent to all does not come here.
socket.bind(isQu ? PORT : 0, address, () => {
  socket.setMulticastInterface(address)
  socket.send(query, PORT, GROUP)
})
