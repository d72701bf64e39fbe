/** A port for what runs on this machine's own network. */
import { createServer } from 'node:net'

/** A TCP port that nobody listens on, as of now. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
