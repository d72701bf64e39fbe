/**
 * A key that signs the records of a DNS zone (RFC 4034). Whoever holds the private part makes one: a crypto package, a
 * hardware module, a service; what is signed and how it is laid out is not its business.
 */
export interface ZoneKey {
  /** IANA number of the DNSSEC algorithm: 13 is ECDSA P-256 with SHA-256 (RFC 6605), 15 is Ed25519 (RFC 8080). Never 1. */
  readonly algorithm: number
  /** RFC 4034 §2.1.1: `zone` signs the records, `secure-entry-point` is whom the zone above vouches for. */
  readonly role: 'zone' | 'secure-entry-point'
  /** As in a DNSKEY record: 64 octets (x, then y) for algorithm 13, 32 for 15. Never changes. */
  readonly publicKey: Uint8Array
  /**
   * The signature of `octets` as in a RRSIG record: 64 octets for algorithms 13 (r, then s) and 15. `octets` is lent until it
   * is made, the result is the caller's. Throws or rejects when the key cannot be used (any more).
   */
  sign(octets: Uint8Array): Uint8Array | Promise<Uint8Array>
}
