/**
 * Undoes what Mozilla's script test262-update.py does to files of test262: a first line that says what to skip, a directive in
 * front of strict tests, a call at the end of those that must end; and harness files joined to one `shell.js` for each folder.
 */
import { frontmatterOf } from './frontmatter.ts'

/** The parts of a `shell.js`, by name; without Mozilla's own. */
export function harnessOf(text: string): ReadonlyMap<string, string> {
  const parts = text.split(/^\/\/ file: (.+)\n/m).slice(1)
  const files = new Map<string, string>()
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const [name = '', body = ''] = [parts[i], parts[i + 1]]
    if (name !== 'test262-host.js') files.set(name, body)
  }
  return files
}

const HEADER = /^\/\/ \|reftest\| [^\n]*\n/
const STRICT = "'use strict';\n"
const EPILOGUE = '\nreportCompare(0, 0);\n'

/** A test or a fixture as test262 has it. */
export function originalOf(bytes: Buffer): Buffer {
  // Octet by octet: some tests are about what is no UTF-8.
  let text = bytes.toString('latin1').replace(HEADER, '')
  if (text.startsWith(STRICT) && frontmatterOf(text).flags.includes('onlyStrict')) text = text.slice(STRICT.length)
  // Without an epilogue, a line feed ends them all the same.
  return Buffer.from(text.endsWith(EPILOGUE) ? text.slice(0, -EPILOGUE.length) : text, 'latin1')
}
