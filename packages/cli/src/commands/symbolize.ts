import { createReadStream, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from '@mirage-ts/core/boot-args'
import type { Command } from '../command.ts'
import { UsageError, UserError } from '../errors.ts'
import { COMMON } from '../options.ts'
import { crashMapper } from '../stack-lines.ts'

/** `mirage symbolize`: what a log from elsewhere is about. */
export const symbolize: Command = {
  name: 'symbolize',
  summary: 'show which lines of the sources a console log of an image is about',
  details: `mirage symbolize IMAGE [LOG] prints the log, or what it reads from standard input, as mirage run would have shown it: the
stacks of exceptions name files and lines of the sources, and a fault names the function that it was in. The image's source
map must be beside it, as IMAGE.map, where mirage build wrote both.`,
  argument: 'IMAGE [LOG]',
  options: {},
  async run({ words, output }) {
    const parsed = parseArgs({ ...COMMON, ...this.options }, words)
    if (parsed.tag !== 'args')
      throw new UsageError(parsed.tag === 'error' ? parsed.message : 'Ask with mirage help symbolize')
    const [image, log, ...more] = parsed.rest
    if (image === undefined || more.length > 0)
      throw new UsageError('Give an image, and perhaps a log: mirage symbolize dist/NAME.virtio console.log')
    for (const file of [image, ...(log === undefined ? [] : [log])])
      if (!existsSync(file)) throw new UserError(`There is no ${file}`)
    const show = crashMapper(image)
    if (show === undefined)
      throw new UserError(
        `There is no ${image}.map: mirage build writes it beside the image, which says nothing about lines by itself`,
      )
    const input = log === undefined ? process.stdin : createReadStream(log)
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
      output.print(show(`${line}\n`).slice(0, -1))
    return 0
  },
}
