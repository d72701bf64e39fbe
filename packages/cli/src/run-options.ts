import type { Plan } from '@mirage-ts/config/graph'
import type { Output } from './output.ts'

/** How to run an artefact. */
export interface RunOptions {
  /** Absolute path. */
  readonly artefact: string
  readonly plan: Plan
  /** The unikernel's arguments. */
  readonly boot: readonly string[]
  /** `tap:NAME` or `stream:PATH`. */
  readonly net: string | undefined
  /** `HOST:GUEST` each. */
  readonly ports: readonly string[]
  readonly memMib: number
  readonly isKvm: boolean
  readonly output: Output
}

/** True when an argument called `name` was given. */
export function isGiven(boot: readonly string[], name: string): boolean {
  return boot.some((word) => word === `--${name}` || word.startsWith(`--${name}=`))
}
