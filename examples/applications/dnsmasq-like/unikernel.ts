/** Looks after a small network: lends addresses, announces prefixes, and knows the hosts by name. */
import type { Lan } from '@mirage-ts/apps/dhcp/lan'

export async function start({ lan }: { readonly lan: Lan }): Promise<void> {
  await lan.closed
}
