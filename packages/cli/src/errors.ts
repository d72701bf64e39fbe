/** Failures that the user can do something about: shown as they are, without a stack. */

/** One clear sentence, or several lines that each name a place; ends the command with status 1. */
export class UserError extends Error {
  /** The exit status of the command. */
  readonly status: number = 1
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UserError'
  }
}

/** The command line is wrong; ends the command with status 2. */
export class UsageError extends UserError {
  override readonly status: number = 2
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}
