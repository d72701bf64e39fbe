// Starts a machine in the Linux with KVM that run.ts has started, with the options it would have had in QEMU's emulation.
import { connect } from 'node:net'

const words = process.argv.slice(2).map((word, i, all) => {
  if (word === 'tcg' && all[i - 1] === '-accel') return 'kvm'
  return all[i - 1] === '-cpu' ? word.replace(/^max/, 'host') : word
})

let pending = ''
let status = 1
const socket = connect(process.env.MIRAGE_KVM ?? '')
socket.write(`${JSON.stringify({ folder: process.cwd(), words })}\n`)
socket.setEncoding('latin1').on('data', (text) => {
  const lines = (pending + text).split('\n')
  pending = lines.pop() ?? ''
  for (const line of lines) {
    const message = JSON.parse(line)
    if ('status' in message) status = message.status
    else process.stdout.write(Buffer.from(message.output, 'base64'))
  }
})
process.on('SIGTERM', () => socket.write('TERM\n'))
socket.on('error', (error) => console.error(error.message))
// Not at once: what was written has to leave this process.
socket.on('close', () => {
  process.exitCode = status
})
