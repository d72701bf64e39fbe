/** The Internet checksum in C: takes the place of `@mirage-ts/core/checksum` on bare targets. */
export { checksum } from 'mirage:native'
