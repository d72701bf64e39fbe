/** Scoreboards lent to connections while something is in flight on them: most have nothing, and then need none. */
import { type Connection, NO_BOARD } from './connection.ts'
import { Scoreboard } from './scoreboard.ts'

/** Scoreboards kept for the next connection that sends, and the size of those worth keeping: 52 KiB in all. */
const SPARE_BOARDS = 32
const SPARE_SLOTS = 64

export class ScoreboardPool {
  private readonly spares: Scoreboard[] = []

  /** Lends `connection` a scoreboard: its first segment is about to leave. */
  lend(connection: Connection): void {
    if (connection.board === NO_BOARD) connection.board = this.spares.pop() ?? new Scoreboard()
  }

  /** Nothing is in flight on `connection`: takes its scoreboard back. */
  takeBack(connection: Connection): void {
    const { board } = connection
    if (board === NO_BOARD) return
    board.clear()
    connection.board = NO_BOARD
    if (this.spares.length < SPARE_BOARDS && board.slotCount <= SPARE_SLOTS) this.spares.push(board)
  }
}
