/** What the system's error codes mean in the words of `NetError`. */
import { messageOf, NetError, type NetErrorCode } from '@mirage-ts/core/errors'

const CODES: Readonly<Record<string, NetErrorCode>> = {
  EADDRINUSE: 'address-in-use',
  EADDRNOTAVAIL: 'no-ports',
  ECONNABORTED: 'connection-reset',
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-reset',
  EHOSTUNREACH: 'host-unreachable',
  EMSGSIZE: 'message-too-long',
  ENETUNREACH: 'no-route',
  EPIPE: 'connection-reset',
  ERR_SOCKET_DGRAM_NOT_RUNNING: 'closed',
  ETIMEDOUT: 'timed-out',
}

/** Wraps an error of Node's: `action` says what could not be done, "Cannot connect to 10.0.0.1:80". */
export function socketError(action: string, error: unknown): NetError {
  const system = error instanceof Error && 'code' in error ? String(error.code) : ''
  const reason = system === 'EACCES' ? 'permission denied' : messageOf(error)
  return new NetError(CODES[system] ?? 'protocol', `${action}: ${reason}`, { cause: error })
}
