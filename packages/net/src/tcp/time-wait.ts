/** The connections in TIME-WAIT in the order in which they entered it, and so in that of its end: all wait equally long. */
import type { Connection } from './connection.ts'

/** A list threaded through the connections themselves: thousands of them come and go, each in one step. */
export class TimeWaitQueue {
  count = 0
  oldest: Connection | undefined = undefined
  private newest: Connection | undefined = undefined

  push(connection: Connection): void {
    connection.timeWaitOlder = this.newest
    if (this.newest === undefined) this.oldest = connection
    else this.newest.timeWaitNewer = connection
    this.newest = connection
    this.count++
  }

  remove(connection: Connection): void {
    const { timeWaitOlder, timeWaitNewer } = connection
    if (timeWaitOlder === undefined) this.oldest = timeWaitNewer
    else timeWaitOlder.timeWaitNewer = timeWaitNewer
    if (timeWaitNewer === undefined) this.newest = timeWaitOlder
    else timeWaitNewer.timeWaitOlder = timeWaitOlder
    connection.timeWaitOlder = undefined
    connection.timeWaitNewer = undefined
    this.count--
  }
}
