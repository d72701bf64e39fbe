/** CRC-32 in C: takes the place of `@mirage-ts/storage/crc32` on bare targets. */
export { crc32, crc32c } from 'mirage:native'
