#!/usr/bin/env node
// The `mirage` command. Its TypeScript is bundled when it is first used and whenever it has changed: loading it file by
// file would take longer than most commands do.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const FOLDER = fileURLToPath(new URL('../dist/', import.meta.url))
const BUNDLE = `${FOLDER}mirage.mjs`
/** The sources of the bundle and when each was last modified. */
const INPUTS = `${FOLDER}mirage.inputs.json`

function isFresh() {
  try {
    const inputs = JSON.parse(readFileSync(INPUTS, 'utf8'))
    return Object.entries(inputs).every(([file, modified]) => statSync(file).mtimeMs === modified)
  } catch {
    // Not bundled yet, or a source is gone.
    return false
  }
}

async function bundle() {
  const { build } = await import('esbuild')
  const result = await build({
    absWorkingDir: FOLDER.replace(/dist\/$/, ''),
    entryPoints: [MAIN],
    outfile: BUNDLE,
    write: false,
    bundle: true,
    metafile: true,
    format: 'esm',
    platform: 'node',
    external: ['esbuild', '@viz-js/viz'],
    // Beside it: reading the map would take longer than most commands do. It is used with -v, which shows stacks.
    sourcemap: 'linked',
  })
  const files = Object.keys(result.metafile.inputs).map((file) => fileURLToPath(new URL(`../${file}`, import.meta.url)))
  // How it is bundled is in this file.
  files.push(fileURLToPath(import.meta.url))
  mkdirSync(FOLDER, { recursive: true })
  for (const { path, contents } of result.outputFiles)
    replace(path.endsWith('.map') ? `${BUNDLE}.map` : BUNDLE, contents)
  replace(INPUTS, JSON.stringify(Object.fromEntries(files.map((file) => [file, statSync(file).mtimeMs]))))
}

/** In one step, since several commands may be started at once. */
function replace(file, contents) {
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, contents)
  renameSync(temporary, file)
}

if (!isFresh()) await bundle()
if (process.argv.includes('-v')) process.setSourceMapsEnabled(true)
const { mirage } = await import('../dist/mirage.mjs')
process.exitCode = await mirage(process.argv.slice(2))
