// A WebSocket client that is not ours, Node.js's: says each line to the server and prints what comes back.
// Needs --experimental-websocket before Node.js 22.
const [url, ...messages] = process.argv.slice(2)
const socket = new WebSocket(url)
socket.binaryType = 'arraybuffer'
const echoed = []
socket.addEventListener('open', () => {
  for (const message of messages) socket.send(message)
  socket.send(new Uint8Array(70_000).fill(7))
})
socket.addEventListener('message', ({ data }) => {
  echoed.push(typeof data === 'string' ? data : `${data.byteLength} octets of ${new Uint8Array(data)[69_999]}`)
  if (echoed.length === messages.length + 1) socket.close(4000, 'done')
})
socket.addEventListener('error', () => process.stdout.write('error\n'))
socket.addEventListener('close', ({ code }) => process.stdout.write(`${echoed.join('\n')}\nclosed ${code}\n`))
