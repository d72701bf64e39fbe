/** The bundler, loaded when it is first needed: most commands do without. */
import { createRequire } from 'node:module'

/** esbuild, by `require`: importing its CommonJS would have Node.js look for its exports, which takes as long as loading it. */
export function esbuild(): typeof import('esbuild') {
  return createRequire(import.meta.url)('esbuild')
}
