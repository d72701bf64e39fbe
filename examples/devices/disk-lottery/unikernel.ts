/**
 * A game that a disk remembers: at each start you draw a number, and your score is how often it was greater than all
 * before. A sector holds one game: a magic number, draws, wins, the best number, and a checksum over them.
 */
import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import { crc32 } from '@mirage-ts/storage/crc32'

interface Options {
  readonly slot: number
  readonly reset: boolean
}

interface Game {
  readonly draws: number
  readonly wins: number
  readonly best: number
}

const MAGIC = 0x6c6f7474 // "lott"
const GAME_LEN = 16
const NEW_GAME: Game = { draws: 0, wins: 0, best: 0 }

export async function start(
  { disk, random, log }: { disk: Block; random: Random; log: Log },
  { slot, reset }: Options,
): Promise<void> {
  const application = log.logger('lottery')
  const sector = new Uint8Array(disk.sectorBytes)
  await disk.read(slot, sector)
  const found = parseGame(sector)
  if (found === undefined && !reset && sector.some((octet) => octet !== 0)) {
    throw new Error(`Sector ${slot} holds no game; begin anew with --reset`)
  }
  const game = reset || found === undefined ? NEW_GAME : found
  const drawn = random.u32()
  const hasWon = drawn > game.best
  const next = { draws: game.draws + 1, wins: game.wins + (hasWon ? 1 : 0), best: Math.max(game.best, drawn) }
  await disk.write(slot, emitGame(next, disk.sectorBytes))
  await disk.flush()
  application.info(`draw ${next.draws} is ${drawn}: ${hasWon ? 'the greatest so far' : `not over ${game.best}`}`)
  application.info(`score: ${next.wins}`)
}

function parseGame(sector: Uint8Array): Game | undefined {
  const view = new DataView(sector.buffer)
  if (view.getUint32(0) !== MAGIC || view.getUint32(GAME_LEN) !== crc32(sector, 0, GAME_LEN)) return undefined
  return { draws: view.getUint32(4), wins: view.getUint32(8), best: view.getUint32(12) }
}

function emitGame({ draws, wins, best }: Game, sectorBytes: number): Uint8Array {
  const sector = new Uint8Array(sectorBytes)
  const view = new DataView(sector.buffer)
  view.setUint32(0, MAGIC)
  view.setUint32(4, draws)
  view.setUint32(8, wins)
  view.setUint32(12, best)
  view.setUint32(GAME_LEN, crc32(sector, 0, GAME_LEN))
  return sector
}
