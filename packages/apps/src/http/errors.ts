/** What can go wrong with a message, as its reader sees it. */
import { NetError } from '@mirage-ts/core/errors'

/** Content that arrived could not be used. A server answers with `status` when its handler lets the error pass. */
export class ContentError extends NetError {
  readonly status: number
  constructor(status: number, message: string) {
    super('protocol', message)
    this.name = 'ContentError'
    this.status = status
  }
}
