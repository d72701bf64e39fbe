import { type ArgKeys, bool, byteSize, oneOf, parseArgs, string } from '@mirage-ts/core/boot-args'
import { nearest } from '@mirage-ts/core/suggest'
import type { Command } from '../command.ts'
import { addToImage, checkImage, extractImage, listImage, makeImage } from '../disk/actions.ts'
import { UsageError } from '../errors.ts'
import { COMMON } from '../options.ts'

const DETAILS = `  mirage disk make IMAGE [FOLDER]           an empty image, or one with the files of a folder
  mirage disk list IMAGE [KEY]              its files and their lengths
  mirage disk add IMAGE PATH [KEY]          a file or the files of a folder, below KEY
  mirage disk extract IMAGE FOLDER [KEY]    writes its files into a folder; none is overwritten
  mirage disk check IMAGE                   looks for damage; ends with 1 when there is any

An image is a store of ours, a FAT volume or a tar archive; what it is, its first octets tell. An archive may be packed with
gzip. Attach one with mirage run --block NAME=IMAGE.`

const FORMATS = ['store', 'fat', 'tar'] as const
const ACTIONS = ['make', 'list', 'add', 'extract', 'check']

const OPTIONS = {
  format: { type: oneOf(...FORMATS), default: 'store', doc: 'make: what to make' },
  size: { type: byteSize, default: '16MiB', doc: 'make: how long the image is; an archive is as long as it needs' },
  force: { type: bool, default: 'false', doc: 'make: in place of a file that is there' },
  partition: { type: string, doc: 'the partition of the image, by number or name' },
} satisfies ArgKeys

/** `mirage disk`: images of disks. */
export const disk: Command = {
  name: 'disk',
  summary: 'make, fill, read and check images of disks',
  details: DETAILS,
  argument: 'ACTION IMAGE',
  options: OPTIONS,
  async run({ words, output }) {
    const parsed = parseArgs({ ...COMMON, ...OPTIONS }, words)
    if (parsed.tag !== 'args')
      throw new UsageError(parsed.tag === 'error' ? parsed.message : 'Ask with mirage help disk')
    const { format, size, force, partition } = parsed.args
    const [action = '', path, ...rest] = parsed.rest
    if (!ACTIONS.includes(action)) {
      const near = nearest(action, ACTIONS)
      throw new UsageError(
        `Unknown action ${action}${near === undefined ? '' : `; did you mean ${near}?`}: see mirage help disk`,
      )
    }
    if (path === undefined) throw new UsageError(`Give an image: mirage disk ${action} IMAGE`)
    const most = { make: 1, list: 1, add: 2, extract: 2, check: 0 }[action] ?? 0
    if (rest.length > most) throw new UsageError(`Unexpected argument ${rest[most]}`)
    const [first, second = ''] = rest
    const image = { path, partition, isReadOnly: false }
    if (action === 'make') {
      if (partition !== undefined) throw new UsageError('--partition is for images that are there')
      await makeImage({ path, format, sizeBytes: size, isForced: force })
      if (first !== undefined) await addToImage(image, first, '', output)
    } else if (action === 'list') await listImage(image, first ?? '', output)
    else if (action === 'check') return (await checkImage(image, output)) ? 0 : 1
    else {
      if (first === undefined) throw new UsageError(`Give a path: mirage disk ${action} IMAGE PATH`)
      if (action === 'add') await addToImage(image, first, second, output)
      else await extractImage(image, first, second, output)
    }
    return 0
  },
}
