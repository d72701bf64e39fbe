/**
 * Files of a folder in the content codings of HTTP, made when the image is built: `page.html.gz` and `page.html.br` beside
 * `page.html`. The static site server gives them to clients that take them.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FolderFile } from './crunch.ts'

/** In the generated folder of a target: files of crunched folders, compressed. */
export const PRECOMPRESSED = 'precompressed'

/** A file that the build has made. */
export interface CompressedFile extends FolderFile {
  readonly octets: Uint8Array
}

/** Shorter files fit the first packet of an answer as they are. */
const MIN_BYTES = 256
/** What a compressed file may be long at most, by the plain one: text is well below it, pictures and archives are not. */
const MAX_RATIO = 0.9
/** gzip's header says which system it was made on: 255 is none in particular (RFC 1952 §2.3.1). */
const OS_OFF = 9
const OS_UNKNOWN = 255

interface Coder {
  readonly suffix: string
  /** Another one may compress otherwise. */
  readonly version: string | undefined
  readonly compress: (octets: Buffer) => Promise<Buffer>
}

const CODERS: readonly Coder[] = [
  {
    suffix: '.br',
    version: process.versions['brotli'],
    compress: (octets) =>
      promisify(brotliCompress)(octets, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
          [constants.BROTLI_PARAM_SIZE_HINT]: octets.length,
        },
      }),
  },
  {
    suffix: '.gz',
    version: process.versions['zlib'],
    compress: async (octets) => {
      const packed = await promisify(gzip)(octets, { level: constants.Z_BEST_COMPRESSION })
      packed[OS_OFF] = OS_UNKNOWN
      return packed
    },
  },
]

/**
 * The files that are worth to be carried compressed as well, to be written into `folder`, where those of an earlier build are
 * taken from: a second for each MiB is long. What is there already beside a file, under that name, stays; files that do not become
 * shorter by a tenth are left out.
 */
export async function precompress(files: readonly FolderFile[], folder: string): Promise<CompressedFile[]> {
  const paths = new Set(files.map(({ path }) => path))
  const made: CompressedFile[] = []
  for (const { path, file, sha256: plainSha256 } of files) {
    const plain = await readFile(file)
    if (plain.length < MIN_BYTES || CODERS.some(({ suffix }) => path.endsWith(suffix))) continue
    for (const { suffix, version, compress } of CODERS) {
      if (paths.has(path + suffix)) continue
      const madeFile = join(folder, `${plainSha256}-${version}${suffix}`)
      const octets = await readFile(madeFile).catch(() => compress(plain))
      if (octets.length > plain.length * MAX_RATIO) continue
      const sha256 = createHash('sha256').update(octets).digest('hex')
      made.push({ path: path + suffix, file: madeFile, sha256, octets })
    }
  }
  return made
}
