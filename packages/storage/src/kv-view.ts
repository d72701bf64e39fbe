/** A store seen as one that can do less: the configuration keeps the kinds of devices apart, the signatures include them. */
import type { KvRo, KvRw, KvTransactional } from '@mirage-ts/signatures/kv'

/** For those who only read. */
export function asKvRo({ kv }: { readonly kv: KvRw }): KvRo {
  return kv
}

/** For those who need no transactions. */
export function asKvRw({ kv }: { readonly kv: KvTransactional }): KvRw {
  return kv
}
