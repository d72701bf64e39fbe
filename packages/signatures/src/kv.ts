/**
 * A read-only tree of named values.
 *
 * Keys are `/`-separated paths without a leading slash, compared octet by octet; the empty string is the root.
 * `..`, `.`, empty segments and NUL never name anything: asking for such a key is `not-found`, never an escape.
 * Failures reject with a `KvError`: `not-found`, `value-expected` (it is a dictionary), `dictionary-expected`, `io`.
 */
export interface KvRo {
  /** What `key` names, or `undefined`. */
  exists(key: string): Promise<'value' | 'dictionary' | undefined>
  /** The whole value, borrowed and shared: read it, never write to it. */
  get(key: string): Promise<Uint8Array>
  /** At most `lenBytes` octets from `offBytes` on; fewer at the end of the value, none past it. Borrowed likewise. */
  getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array>
  /** The entries of a dictionary, sorted by name. */
  list(key: string): Promise<readonly KvEntry[]>
  /** Length of a value in octets. */
  sizeBytes(key: string): Promise<number>
  /**
   * A strong digest of a value as lowercase hexadecimal, equal exactly when the contents are: an HTTP entity tag.
   */
  digest(key: string): Promise<string>
}

export interface KvEntry {
  readonly name: string
  readonly kind: 'value' | 'dictionary'
}
