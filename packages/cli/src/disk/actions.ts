/** What `mirage disk` does with images. */
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { messageOf } from '@mirage-ts/core/errors'
import { createRandom } from '@mirage-ts/node/random'
import { checkFat } from '@mirage-ts/storage/fat/check'
import { formatFat } from '@mirage-ts/storage/fat/format'
import { checkLogKv } from '@mirage-ts/storage/log/check'
import { formatLogKv } from '@mirage-ts/storage/log/log-kv'
import { emitTarHeader, paddedLen, TAR_END_LEN } from '@mirage-ts/storage/tar/header'
import { UserError } from '../errors.ts'
import { type Output, sizeToString, table } from '../output.ts'
import { eachValue, type Image, type ImageFormat, type OpenOptions, openDisk, openImage, recognise } from './image.ts'

/** Says once a second how far a long piece of work is. */
class Progress {
  readonly #output: Output
  readonly #verb: string
  #nextMs = Date.now() + 1000
  #count = 0
  #bytes = 0

  constructor(output: Output, verb: string) {
    this.#output = output
    this.#verb = verb
  }

  add(lenBytes: number): void {
    this.#count++
    this.#bytes += lenBytes
    if (Date.now() < this.#nextMs) return
    this.#nextMs = Date.now() + 1000
    this.#output.progress(this.summary)
  }

  get summary(): string {
    return `${this.#verb} ${this.#count} ${this.#count === 1 ? 'file' : 'files'}, ${sizeToString(this.#bytes)}`
  }
}

export interface MakeOptions {
  readonly path: string
  readonly format: ImageFormat
  readonly sizeBytes: number
  readonly isForced: boolean
}

/** Makes an empty image; `add` fills it. */
export async function makeImage({ path, format, sizeBytes, isForced }: MakeOptions): Promise<void> {
  if (existsSync(path) && !isForced) throw new UserError(`${path} is there already; --force makes it anew`)
  const lenBytes = format === 'tar' ? TAR_END_LEN : Math.floor(sizeBytes / 512) * 512
  const file = await open(path, 'w')
  await file.truncate(lenBytes)
  await file.close()
  if (format === 'tar') return
  const block = await openDisk({ path, isReadOnly: false })
  try {
    const random = createRandom()
    if (format === 'store') await formatLogKv({ block, random })
    else await formatFat({ block }, { serial: random.u32() })
  } catch (cause) {
    throw new UserError(messageOf(cause), { cause })
  } finally {
    await block.close()
  }
}

/** Adds a file, or the files of a folder, below `key`. */
export async function addToImage(options: OpenOptions, source: string, key: string, output: Output): Promise<void> {
  if (!existsSync(source)) throw new UserError(`There is no ${source}`)
  const progress = new Progress(output, 'Added')
  const files = await filesOf(source, key)
  if (await isEmptyTar(options)) await appendToTar(options.path, 0, files, progress)
  else {
    const image = await openImage(options)
    if (image.format === 'tar') {
      await image.block.close()
      if (image.isPacked) throw new UserError(`Cannot add to ${options.path}: it is packed with gzip`)
      await appendToTar(options.path, image.kv.endBytes, files, progress)
    } else {
      for (const file of files) {
        const value = await readFile(file.path)
        await image.kv.set(file.key, value).catch((cause: unknown) => {
          throw new UserError(messageOf(cause), { cause })
        })
        progress.add(value.length)
      }
      await image.kv.flush()
      await image.block.close()
    }
  }
  output.print(progress.summary)
}

/** Prints what is in an image. */
export async function listImage(options: OpenOptions, key: string, output: Output): Promise<void> {
  const image = await openImage({ ...options, isReadOnly: true })
  const rows: string[][] = []
  await reading(image, async () => {
    await eachValue(image.kv, key, async (at) => {
      rows.push([String(await image.kv.sizeBytes(at)), at])
    })
  })
  const width = rows.reduce((most, [size]) => Math.max(most, size?.length ?? 0), 0)
  if (rows.length > 0) output.print(table(rows.map(([size = '', at = '']) => [size.padStart(width), at])))
}

/** Writes the files of an image into a folder. Nothing is written outside of it, whatever links are there. */
export async function extractImage(options: OpenOptions, folder: string, key: string, output: Output): Promise<void> {
  const image = await openImage({ ...options, isReadOnly: true })
  const progress = new Progress(output, 'Extracted')
  await mkdir(folder, { recursive: true })
  const root = await realpath(folder)
  await reading(image, async () => {
    await eachValue(image.kv, key, async (at) => {
      const path = join(root, ...at.split('/'))
      await mkdir(dirname(path), { recursive: true })
      const parent = await realpath(dirname(path))
      if (parent !== root && !parent.startsWith(root + sep))
        throw new UserError(`${at} leads out of ${folder} through a link`)
      const value = await image.kv.get(at)
      await writeFile(path, value, { flag: 'wx' }).catch((cause: unknown) => {
        throw new UserError(`Cannot write ${relative('.', path)}: ${messageOf(cause)}`, { cause })
      })
      progress.add(value.length)
    })
  })
  output.print(progress.summary)
}

/** Looks for damage; returns true when there is none. */
export async function checkImage(options: OpenOptions, output: Output): Promise<boolean> {
  const block = await openDisk({ ...options, isReadOnly: true })
  const format = await recognise(block)
  if (format === 'store') {
    const report = await checkLogKv({ block })
    for (const problem of report.problems) output.print(problem)
    const used = `${sizeToString(report.usedBytes)} of ${sizeToString(report.capacityBytes)} used`
    output.print(`store: ${report.keyCount} values, ${sizeToString(report.valueBytes)}; ${used}`)
    return report.problems.length === 0
  }
  if (format === 'fat') {
    const report = await checkFat({ block })
    for (const problem of report.problems) output.print(problem)
    if (report.lostBytes > 0)
      output.print(`${sizeToString(report.lostBytes)} belong to no file: fsck.vfat -a gives them back`)
    const used = `${sizeToString(report.usedBytes)} of ${sizeToString(report.capacityBytes)} used`
    output.print(`FAT volume: ${report.fileCount} files, ${sizeToString(report.valueBytes)}; ${used}`)
    return report.problems.length === 0
  }
  await block.close()
  const image = await openImage({ ...options, isReadOnly: true })
  const progress = new Progress(output, 'tar archive:')
  await reading(image, () => eachValue(image.kv, '', async (key) => progress.add(await image.kv.sizeBytes(key))))
  output.print(progress.summary)
  if (image.format === 'tar' && image.kv.skippedCount > 0)
    output.print(`${image.kv.skippedCount} entries are no files of ours`)
  return true
}

async function reading(image: Image, body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (cause) {
    throw cause instanceof UserError ? cause : new UserError(messageOf(cause), { cause })
  } finally {
    await image.block.close()
  }
}

interface SourceFile {
  readonly key: string
  readonly path: string
}

/** A file as `key`, or the files of a folder below it; symbolic links are left out. */
async function filesOf(source: string, key: string): Promise<readonly SourceFile[]> {
  const path = resolve(source)
  if ((await stat(path)).isFile()) return [{ key: key === '' ? (path.split(sep).at(-1) as string) : key, path }]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const at = join(entry.parentPath, entry.name)
      const below = relative(path, at).split(sep).join('/')
      return { key: key === '' ? below : `${key}/${below}`, path: at }
    })
  return files.sort((a, b) => (a.key < b.key ? -1 : 1))
}

async function isEmptyTar({ path, partition }: OpenOptions): Promise<boolean> {
  if (partition !== undefined) return false
  const { size } = await stat(path)
  return size === TAR_END_LEN && (await readFile(path)).every((octet) => octet === 0)
}

async function appendToTar(
  path: string,
  endBytes: number,
  files: readonly SourceFile[],
  progress: Progress,
): Promise<void> {
  const archive = await open(path, 'r+')
  try {
    let off = endBytes
    for (const file of files) {
      const octets = await readFile(file.path)
      const mtimeSeconds = Math.floor((await stat(file.path)).mtimeMs / 1000)
      const header = emitTarHeader({ path: file.key, sizeBytes: octets.length, mtimeSeconds })
      const padded = new Uint8Array(header.length + paddedLen(octets.length))
      padded.set(header)
      padded.set(octets, header.length)
      await archive.write(padded, 0, padded.length, off)
      off += padded.length
      progress.add(octets.length)
    }
    await archive.truncate(off)
    await archive.truncate(off + TAR_END_LEN)
  } finally {
    await archive.close()
  }
}
