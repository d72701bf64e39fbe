/** The targets: one table, which the language, the standard devices and the `mirage` command all read. */

/** What is to be known of a target. */
export interface Target {
  readonly name: TargetName
  /** The package with its devices; `${platform}/run` starts a machine. */
  readonly platform: string
  /** Suffix of the artefact in `dist/`. */
  readonly suffix: string
  /** There is an operating system: Node.js modules, sockets and files of a host. */
  readonly hasHost: boolean
  readonly doc: string
}

/** The name of a target, as `-t` takes it. */
export type TargetName = 'spt' | 'unix' | 'virtio'

/** All targets. A new one is a line here, its devices in a platform package, and a builder and a runner in the tool. */
export const TARGETS: Readonly<Record<TargetName, Target>> = {
  unix: {
    name: 'unix',
    platform: '@mirage-ts/node',
    suffix: '.mjs',
    hasHost: true,
    doc: 'a program for Node.js',
  },
  spt: {
    name: 'spt',
    platform: '@mirage-ts/metal',
    suffix: '.spt',
    hasHost: false,
    doc: 'a Linux process that can use nothing of the system but the devices it was given',
  },
  virtio: {
    name: 'virtio',
    platform: '@mirage-ts/metal',
    suffix: '.virtio',
    hasHost: false,
    doc: 'an image that boots on a virtual machine with virtio devices',
  },
}

/** The names of all targets. */
export const TARGET_NAMES: readonly TargetName[] = Object.values(TARGETS).map((target) => target.name)

/** True of the name of a target. */
export function isTargetName(word: string): word is TargetName {
  return Object.hasOwn(TARGETS, word)
}
