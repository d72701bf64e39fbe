/** Files that are part of the program: a read-only store whose contents the build put into the image. */
import { KvError, type KvErrorCode } from '@mirage-ts/core/errors'
import type { KvEntry, KvRo } from '@mirage-ts/signatures/kv'

/** A file as the build describes it. */
export interface CrunchFile {
  /** Its key: relative, `/`-separated. */
  readonly path: string
  /** SHA-256 of the contents in lowercase hexadecimal. */
  readonly sha256: string
  /** The contents, the same octets at each call; lent, never to be written to. */
  readonly bytes: () => Uint8Array
}

/** Makes a store of `files`. Throws a `TypeError` when a path is no key, or is there twice. */
export function createCrunch(_deps: Record<never, never>, { files }: { readonly files: readonly CrunchFile[] }): KvRo {
  const root = new Dictionary()
  const nodes = new Map<string, Node>([['', root]])
  for (const file of files) addFile(nodes, file)
  for (const node of nodes.values()) if (node instanceof Dictionary) node.sort()
  return new CrunchKv(nodes)
}

type Node = CrunchFile | Dictionary

class Dictionary {
  readonly entries: KvEntry[] = []

  sort(): void {
    this.entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}

/** Adds a file, and the dictionaries on the way to it that are not there yet. */
function addFile(nodes: Map<string, Node>, file: CrunchFile): void {
  const segments = file.path.split('/')
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..' || segment.includes('\0'))) {
    throw new TypeError(`Cannot crunch ${JSON.stringify(file.path)}: expected a relative path without . and ..`)
  }
  let parent = nodes.get('')
  let key = ''
  for (const [depth, name] of segments.entries()) {
    const isFile = depth === segments.length - 1
    key = depth === 0 ? name : `${key}/${name}`
    let node = nodes.get(key)
    if (!(parent instanceof Dictionary) || (isFile && node !== undefined)) {
      throw new TypeError(`Cannot crunch ${JSON.stringify(file.path)}: ${JSON.stringify(key)} is there already`)
    }
    if (node === undefined) {
      node = isFile ? file : new Dictionary()
      nodes.set(key, node)
      parent.entries.push({ name, kind: isFile ? 'value' : 'dictionary' })
    }
    parent = node
  }
}

class CrunchKv implements KvRo {
  /** Every key, so that a look-up is one step; what is no key is not in it. */
  readonly #nodes: ReadonlyMap<string, Node>

  constructor(nodes: ReadonlyMap<string, Node>) {
    this.#nodes = nodes
  }

  async exists(key: string): Promise<'value' | 'dictionary' | undefined> {
    const node = this.#nodes.get(key)
    if (node === undefined) return undefined
    return node instanceof Dictionary ? 'dictionary' : 'value'
  }

  async get(key: string): Promise<Uint8Array> {
    return this.#file(key).bytes()
  }

  async getPartial(key: string, offBytes: number, lenBytes: number): Promise<Uint8Array> {
    if (!(offBytes >= 0 && lenBytes >= 0)) {
      throw new RangeError(`Cannot read ${lenBytes} octets at ${offBytes}: expected 0 or more`)
    }
    return this.#file(key)
      .bytes()
      .subarray(offBytes, offBytes + lenBytes)
  }

  async list(key: string): Promise<readonly KvEntry[]> {
    const node = this.#node(key)
    if (!(node instanceof Dictionary)) throw kvError('dictionary-expected', key)
    return node.entries
  }

  async sizeBytes(key: string): Promise<number> {
    return this.#file(key).bytes().length
  }

  async digest(key: string): Promise<string> {
    return this.#file(key).sha256
  }

  #file(key: string): CrunchFile {
    const node = this.#node(key)
    if (node instanceof Dictionary) throw kvError('value-expected', key)
    return node
  }

  #node(key: string): Node {
    const node = this.#nodes.get(key)
    if (node === undefined) throw kvError('not-found', key)
    return node
  }
}

function kvError(code: KvErrorCode, key: string): KvError {
  return new KvError(code, `Cannot read ${JSON.stringify(key)}: ${code}`)
}
