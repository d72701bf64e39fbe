import { UserError } from './errors.ts'

export async function tapRelay(): Promise<string> {
  throw new UserError('tap: not yet')
}
