/** Waits for a word from a group, then reads a page by its name. */
import { ipv4, port } from '@mirage-ts/core/addresses'
import { utf8Decode } from '@mirage-ts/core/utf8'
import type { Capture } from '@mirage-ts/signatures/capture'
import type { HappyEyeballs } from '@mirage-ts/signatures/happy-eyeballs'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'

const GROUP = ipv4(239, 1, 2, 3)
const REQUEST = 'GET / HTTP/1.1\r\nHost: www.lab.test\r\nConnection: close\r\n\r\n'

export async function ask({
  stack,
  ip,
  web,
  capture,
  log,
}: {
  stack: Stack
  ip: HostIp
  igmp: object
  web: HappyEyeballs
  capture: Capture
  log: Log
}): Promise<void> {
  const logger = log.logger('client')
  const heard = new Promise<void>((done) => {
    void stack.udp.bind(port(4000), () => done())
  })
  ip.join(GROUP)
  await heard
  logger.info('heard from the group')
  ip.leave(GROUP)
  const flow = await web.connect('www.lab.test', port(80))
  await flow.write(Uint8Array.from(REQUEST, (c) => c.charCodeAt(0)))
  let answer = ''
  for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) answer += utf8Decode(chunk)
  await flow.close()
  logger.info(answer.slice(answer.indexOf('\r\n\r\n') + 4).trim())
  logger.info(`the capture is ${capture.file().length > 1000 ? 'full of frames' : 'empty'}`)
}
