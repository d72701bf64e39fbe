/** `DOMException` for engines without it: an error with a name that programs compare (Web IDL §2.8). */

/** The codes of old; newer names have none. */
const CODES: Readonly<Record<string, number>> = {
  InvalidCharacterError: 5,
  NotSupportedError: 9,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidAccessError: 15,
  NetworkError: 19,
  AbortError: 20,
  QuotaExceededError: 22,
  TimeoutError: 23,
  DataCloneError: 25,
}

export class DOMException extends Error {
  readonly code: number

  constructor(message = '', name = 'Error') {
    super(message)
    this.name = name
    this.code = CODES[name] ?? 0
  }
}
