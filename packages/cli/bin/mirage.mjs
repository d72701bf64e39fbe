#!/usr/bin/env node
// The `mirage` command. Its TypeScript is bundled when it is first used and whenever it has changed, and what V8 makes of the
// bundle is kept: loading it file by file, or compiling it each time, would take longer than most commands do.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const FOLDER = fileURLToPath(new URL('../dist/', import.meta.url))
const BUNDLE = `${FOLDER}mirage.cjs`
/** The bundle's digest, and its sources and when each was last modified. */
const STATE = `${FOLDER}mirage.json`
const require = createRequire(BUNDLE)

/** What is said of the bundle, if it is that of the sources. */
function freshState() {
  try {
    const state = JSON.parse(readFileSync(STATE, 'utf8'))
    return Object.entries(state.inputs).every(([file, modified]) => statSync(file).mtimeMs === modified)
      ? state
      : undefined
  } catch {
    // Not bundled yet, or a source is gone.
    return undefined
  }
}

async function bundle() {
  const result = await require('esbuild').build({
    absWorkingDir: FOLDER.replace(/dist\/$/, ''),
    entryPoints: [MAIN],
    outfile: BUNDLE,
    write: false,
    bundle: true,
    metafile: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href' },
    // Beside it: reading the map would take longer than most commands do. It is used with -v, which shows stacks.
    sourcemap: 'linked',
  })
  const files = Object.keys(result.metafile.inputs).map((file) => fileURLToPath(new URL(`../${file}`, import.meta.url)))
  // How it is bundled is in this file.
  files.push(fileURLToPath(import.meta.url))
  const inputs = Object.fromEntries(files.map((file) => [file, statSync(file).mtimeMs]))
  mkdirSync(FOLDER, { recursive: true })
  for (const name of readdirSync(FOLDER)) if (name.startsWith('mirage-')) rmSync(`${FOLDER}${name}`, { force: true })
  let digest = ''
  for (const { path, contents } of result.outputFiles) {
    replace(path.endsWith('.map') ? `${BUNDLE}.map` : BUNDLE, contents)
    if (path === BUNDLE) digest = createHash('sha256').update(contents).digest('hex').slice(0, 16)
  }
  const state = { digest, inputs }
  replace(STATE, JSON.stringify(state))
  return state
}

/** In one step, since several commands may be started at once. */
function replace(file, contents) {
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, contents)
  renameSync(temporary, file)
}

/** Runs the bundle with the compiled code that is kept; keeps it, after the command has used it, when there is none. */
async function run({ digest }) {
  // V8 looks at the length of a source only: the digest says that the code is that of this bundle.
  const cache = `${FOLDER}mirage-${digest}.v8`
  const text = `(function (exports, require, module, __filename, importForScript) {${readFileSync(BUNDLE, 'utf8')}\n})`
  let cachedData
  try {
    cachedData = readFileSync(cache)
  } catch {
    // The first time.
  }
  const script = new Script(text, { filename: BUNDLE, cachedData })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, require, module, BUNDLE, (specifier) => import(specifier))
  process.exitCode = await module.exports.mirage(process.argv.slice(2))
  if (cachedData === undefined || script.cachedDataRejected) {
    try {
      replace(cache, script.createCachedData())
    } catch {
      // Nobody may write there: it is slower, and works.
    }
  }
}

const state = freshState() ?? (await bundle())
if (process.argv.includes('-v')) {
  process.setSourceMapsEnabled(true)
  process.exitCode = await require(BUNDLE).mirage(process.argv.slice(2))
} else await run(state)
