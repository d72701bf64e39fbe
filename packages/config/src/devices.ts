/**
 * The standard devices: what MirageOS calls the vocabulary of config.ml. `default...` is one device that everybody
 * shares, `generic...` chooses by target and keys, the rest says exactly what it is.
 *
 * Where a machine may have several of a thing, its keys can be given a group: `directStack(network('management'),
 * { group: 'management' })` has `--management-ipv4`.
 *
 * This file lists what others hold, against our habit: whoever writes a config.ts should find every word in one place.
 */
export * from './default-devices.ts'
export * from './ip-devices.ts'
export * from './lan-devices.ts'
export * from './network-devices.ts'
export * from './service-devices.ts'
export * from './stack-devices.ts'
export * from './storage-devices.ts'
