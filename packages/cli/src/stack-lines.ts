/** Stacks that an image prints name lines of its bundle, and faults addresses: here they become lines of the sources, and functions. */
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, relative, resolve } from 'node:path'
import { findSymbols, type Symbols } from './symbols.ts'

/** A {@link stackMapper} for the image `artefact`; `undefined` when no source map is beside it. */
export function crashMapper(artefact: string): ((chunk: string) => string) | undefined {
  const map = `${artefact}.map`
  if (!existsSync(map)) return undefined
  // Looked for when there is a fault, which is seldom.
  let symbols: Symbols | undefined
  const nameOf: Symbols = (address) => {
    symbols ??= findSymbols(readFileSync(artefact)) ?? (() => undefined)
    return symbols(address)
  }
  return stackMapper(readFileSync(map, 'utf8'), artefact, nameOf)
}

/**
 * Returns a function for the image's output, chunk by chunk: lines of a stack are mapped, all else passes as it is, at
 * once. `map` is the source map kept beside `artefact`; places are shown relative to the working folder. `symbols` names the
 * functions of its runtime.
 */
export function stackMapper(map: string, artefact: string, symbols?: Symbols): (chunk: string) => string {
  const sourceMap = new SourceMap(JSON.parse(map))
  const folder = dirname(artefact)
  const mapLine = (line: string): string =>
    line.replace(FRAME, (frame, head: string, row: string, column: string, tail: string) => {
      const entry = sourceMap.findEntry(Number(row) - 1, Number(column) - 1)
      if (!('originalSource' in entry)) return frame
      const file = relative('.', resolve(folder, entry.originalSource))
      return `${head}${file}:${entry.originalLine + 1}:${entry.originalColumn + 1}${tail}`
    })
  const nameLine = (line: string): string =>
    line.replace(FAULT, (place, address: string, end: string) => {
      const name = symbols?.(Number.parseInt(address, 16))
      return name === undefined ? place : `${place.slice(0, place.length - end.length)}: ${name}${end}`
    })
  // The beginning of a line that may become one of these.
  let held = ''
  return (chunk) => {
    const lines = (held + chunk).split('\n')
    const last = lines.pop() ?? ''
    held = /^ *(a|at|at .*|r|ri|rip|rip .*)?$/.test(last) ? last : ''
    return [...lines.map((line) => `${nameLine(mapLine(line))}\n`), held === '' ? last : ''].join('')
  }
}

/** `    at start (hello.mjs:12:5)`, and in the middle of a line, behind what a log puts in front. */
const FRAME = /(\bat (?:.*\()?)[\w.-]+\.mjs:(\d+):(\d+)(\)?\r?$)/

/** ` rip 000000000012d3f0 in text (read, execute)`, of a fault's report. */
const FAULT = /^ rip ([0-9a-f]{16}) in text.*?(\r?)$/
