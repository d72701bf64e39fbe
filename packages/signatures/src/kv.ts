import type { WallInstant } from './time.ts'

/**
 * A read-only tree of named values.
 *
 * Keys are `/`-separated paths without a leading slash, compared octet by octet; the empty string is the root.
 * `..`, `.`, empty segments and NUL never name anything: asking for such a key is `not-found`, never an escape.
 * Failures reject with a `KvError`: `not-found`, `value-expected` (it is a dictionary), `dictionary-expected`, `io` (the
 * device below failed), `corrupt` (what it holds makes no sense; the message names the sector).
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
  /**
   * When a value was last given its contents, or a dictionary its entries; to a day where the medium is that coarse.
   * `undefined` where it keeps no times: in an image, in memory, in our own store.
   */
  lastModified(key: string): Promise<WallInstant | undefined>
  /**
   * A value that lies in memory, without waiting: `undefined` when it has to be fetched, or `key` names none. For servers of
   * small values, which would spend most of their time on promises; left out where nothing lies in memory.
   */
  peek?(key: string): KvPeek | undefined
}

/** A value as it is now. */
export interface KvPeek {
  /** Borrowed and shared, as by `get`. */
  readonly octets: Uint8Array
  /** As `digest` and `lastModified` say. */
  readonly digest: string
  readonly lastModified: WallInstant | undefined
}

export interface KvEntry {
  readonly name: string
  readonly kind: 'value' | 'dictionary'
}

/**
 * A tree of named values that can be changed.
 *
 * **Dictionaries** are there because something is in them: setting `a/b` makes `a`, and removing the last value below a
 * dictionary removes it. (A medium shared with others, a folder or FAT, may hold empty ones that those others made.)
 *
 * **Atomicity.** Each call that changes something happens wholly or not at all, also across a crash; exceptions are
 * named by the implementation that makes them. Calls that overlap in time happen in some order, one after the other.
 *
 * **Durability.** A change that has resolved is seen by every later call, but a crash may lose it. When `flush` resolves,
 * every change that had resolved before `flush` was called survives a crash. A crash never brings back what a flushed
 * change had replaced.
 *
 * **Failures**, beside those of `KvRo`: `bad-key` (no value can have this name here; keys of more than 1,024 octets of
 * UTF-8 are refused everywhere), `no-space`, `read-only`.
 */
export interface KvRw extends KvRo {
  /**
   * Makes `value` the value of `key`, in place of the one it has. `value` is borrowed until the call settles.
   * `value-expected` when `key` is a dictionary, `dictionary-expected` when something on the way to it is a value.
   */
  set(key: string, value: Uint8Array): Promise<void>
  /**
   * Writes `octets` into a value from `offBytes` on and leaves the rest of it; a value that is too short grows, with
   * zeros before `offBytes`. A key that is not there begins as an empty value.
   */
  setPartial(key: string, offBytes: number, octets: Uint8Array): Promise<void>
  /** Removes a value, or a dictionary with everything below it; the root is emptied. `not-found` when it is not there. */
  remove(key: string): Promise<void>
  /**
   * Gives a value or a dictionary another name. A value takes the place of the value that `to` has; a dictionary only goes
   * where nothing is. `already-present` when `to` is in the way, `bad-key` when it is below `from`; onto itself does
   * nothing.
   */
  rename(from: string, to: string): Promise<void>
  /** Makes every change that has resolved durable. */
  flush(): Promise<void>
}

/** One change of a transaction. */
export type KvChange =
  | { readonly tag: 'set'; readonly key: string; readonly value: Uint8Array }
  | { readonly tag: 'remove'; readonly key: string }

/** A store whose changes can be grouped. */
export interface KvTransactional extends KvRw {
  /**
   * Applies `changes` in order as one: other calls, and a crash, see all of them or none. When one of them cannot be made,
   * none is, and the call rejects as that one would have. Each change sees those before it. Values are borrowed until the
   * call settles.
   */
  commit(changes: readonly KvChange[]): Promise<void>
}
