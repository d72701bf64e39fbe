/** SipHash in C: takes the place of `@mirage-ts/core/siphash` on bare targets. */
export { sipHash24 } from 'mirage:native'
