/** Stacks that an image prints name lines of its bundle: here they become lines of the sources. */
import { SourceMap } from 'node:module'
import { dirname, relative, resolve } from 'node:path'

/**
 * Returns a function for the image's output, chunk by chunk: lines of a stack are mapped, all else passes as it is, at
 * once. `map` is the source map kept beside `artefact`; places are shown relative to the working folder.
 */
export function stackMapper(map: string, artefact: string): (chunk: string) => string {
  const sourceMap = new SourceMap(JSON.parse(map))
  const folder = dirname(artefact)
  const mapLine = (line: string): string =>
    line.replace(FRAME, (frame, head: string, row: string, column: string, tail: string) => {
      const entry = sourceMap.findEntry(Number(row) - 1, Number(column) - 1)
      if (!('originalSource' in entry)) return frame
      const file = relative('.', resolve(folder, entry.originalSource))
      return `${head}${file}:${entry.originalLine + 1}:${entry.originalColumn + 1}${tail}`
    })
  // The beginning of a line that may become one of a stack.
  let held = ''
  return (chunk) => {
    const lines = (held + chunk).split('\n')
    const last = lines.pop() ?? ''
    held = /^ *(a|at|at .*)?$/.test(last) ? last : ''
    return [...lines.map((line) => `${mapLine(line)}\n`), held === '' ? last : ''].join('')
  }
}

/** `    at start (hello.mjs:12:5)`, and in the middle of a line, behind what a log puts in front. */
const FRAME = /(\bat (?:.*\()?)[\w.-]+\.mjs:(\d+):(\d+)(\)?\r?$)/
