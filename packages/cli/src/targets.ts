/** What the command needs to know of each target. */

/** A target of `mirage build`. */
export interface Target {
  readonly name: 'unix' | 'virtio'
  /** The module whose `run` starts a machine. */
  readonly runModule: string
  /** Suffix of the artefact in `dist/`. */
  readonly suffix: string
}

export const TARGETS: Readonly<Record<Target['name'], Target>> = {
  unix: { name: 'unix', runModule: '@mirage-ts/node/run', suffix: '.mjs' },
  virtio: { name: 'virtio', runModule: '@mirage-ts/metal/run', suffix: '.virtio' },
}

export function isTargetName(word: string): word is Target['name'] {
  return Object.hasOwn(TARGETS, word)
}
