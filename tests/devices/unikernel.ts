/** Uses every device and says on the log what came of it; `devices.test.ts` is the other side. */
import { ms } from '@mirage-ts/core/time'
import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import type { Time } from '@mirage-ts/signatures/time'

/** More than the 65,536 entries after which the indexes of a ring begin again. */
const FRAME_COUNT = 66_000
/** Frames that are on their way at once: fewer than any ring holds. */
const WINDOW = 48
const FRAME_LEN = 64
const NUMBER_OFF = 20
const LABEL_OFF = 24

interface Devices {
  readonly first: Network
  readonly second: Network
  readonly data: Block
  readonly spare: Block
  readonly log: Log
  readonly time: Time
}

export async function start({ first, second, data, spare, log, time }: Devices): Promise<void> {
  const logger = log.logger('devices')
  for (const [name, network] of Object.entries({ first, second })) {
    const label = await exchange(network, 3, time)
    logger.info(`network ${name}: its peer is ${String.fromCharCode(label)}`)
  }
  logger.info(`networks have ${first.mac === second.mac ? 'one address' : 'addresses of their own'}`)
  await exchange(first, FRAME_COUNT, time)
  logger.info(`network first: ${FRAME_COUNT} frames there and back`)
  logger.info(`disk data: ${await writeAndRead(data, 0x41)}`)
  logger.info(`disk spare: ${await writeAndRead(spare, 0x42)}`)
}

/** Sends numbered frames and waits until each came back, in order; returns the octet that the peer put into the last. */
async function exchange(network: Network, count: number, time: Time): Promise<number> {
  let sent = 0
  let received = 0
  let label = 0
  let wrong = ''
  const sendMore = (): void => {
    while (sent < count && sent - received < WINDOW) {
      const frame = network.alloc()
      if (frame === undefined) return
      const off = network.headroomBytes
      frame.u8.fill(0, off, off + FRAME_LEN)
      frame.dv.setUint32(off + NUMBER_OFF, sent++)
      network.send(frame, off, off + FRAME_LEN)
    }
  }
  network.listen((frame, off, end) => {
    const number = frame.dv.getUint32(off + NUMBER_OFF)
    if (number !== received || end - off !== FRAME_LEN)
      wrong ||= `frame ${number} of ${end - off} octets, not ${received}`
    label = frame.u8[off + LABEL_OFF] as number
    received++
    sendMore()
  })
  sendMore()
  // Nobody loses a frame here: without a new one for a while, the rest will not come.
  for (let before = -1; received < count && wrong === '' && received > before; ) {
    before = received
    for (let i = 0; i < 300 && received < count; i++) await time.sleep(ms(10))
  }
  if (wrong !== '' || received < count) throw new Error(`${wrong || 'frames are missing'}: ${received} of ${count}`)
  return label
}

/** The first and the last sector, and beyond. */
async function writeAndRead(block: Block, octet: number): Promise<string> {
  const { sectorBytes, sectorCount } = block
  const sector = new Uint8Array(sectorBytes)
  for (const at of [0, sectorCount - 1]) {
    await block.write(at, sector.fill(octet))
    await block.flush()
    await block.read(at, sector.fill(0))
    if (sector.some((each) => each !== octet)) return `sector ${at} holds something else`
  }
  const beyond = await block.read(sectorCount, sector).then(
    () => 'was read',
    () => 'is refused',
  )
  return `${sectorCount} sectors, the one behind the last ${beyond}`
}
