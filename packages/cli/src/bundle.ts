/** Bundling: the generated program and everything it imports as one ES module, unused code left out. */
import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { dirname, relative, resolve } from 'node:path'
import { type BuildFailure, build, type Message, type Plugin } from 'esbuild'
import { UserError } from './errors.ts'
import type { Project } from './project.ts'
import type { Target } from './targets.ts'

/** A bundled program. */
export interface Bundle {
  readonly code: Uint8Array
  /** Only on unix, where the engine can use it. */
  readonly sourceMap: Uint8Array | undefined
}

const NODE_MODULES: ReadonlySet<string> = new Set(builtinModules)

/** Bundles `mirage/main.ts`. */
export async function bundle(project: Project, target: Target, name: string): Promise<Bundle> {
  const onUnix = target.name === 'unix'
  try {
    const result = await build({
      absWorkingDir: project.folder,
      entryPoints: [resolve(project.generatedFolder, 'main.ts')],
      outfile: resolve(project.distFolder, `${name}.mjs`),
      bundle: true,
      write: false,
      format: 'esm',
      // QuickJS-ng 0.15 has all of ES2024; names are kept, so that a stack on a console can be read.
      target: 'es2024',
      platform: onUnix ? 'node' : 'neutral',
      mainFields: ['module', 'main'],
      treeShaking: true,
      legalComments: 'none',
      charset: 'utf8',
      logLevel: 'silent',
      sourcemap: onUnix ? 'linked' : false,
      ...(onUnix ? { banner: { js: '#!/usr/bin/env node' } } : {}),
      external: onUnix ? [] : ['mirage:native'],
      // The engine of a unikernel adds octets one by one 30 times slower than C: the same function, native.
      alias: onUnix ? {} : { '@mirage-ts/core/checksum': '@mirage-ts/metal/checksum' },
      plugins: onUnix ? [embedFiles] : [bareMetal(project)],
    })
    const find = (suffix: string) => result.outputFiles.find((file) => file.path.endsWith(suffix))?.contents
    return { code: find('.mjs') ?? new Uint8Array(), sourceMap: find('.map') }
  } catch (error) {
    const { errors } = error as Partial<BuildFailure>
    if (errors === undefined) throw error
    throw new UserError(errors.map((message) => showMessage(project, message)).join('\n'))
  }
}

function showMessage(project: Project, { text, location }: Message): string {
  if (location === null) return text
  const file = relative(project.folder, resolve(project.folder, location.file))
  return `${file}:${location.line}:${location.column + 1} ${text}`
}

/** `asset:../site/index.html` is the octets of that file. */
const embedFiles: Plugin = {
  name: 'embed files',
  setup(plugin) {
    plugin.onResolve({ filter: /^asset:/ }, ({ path, importer }) => ({
      path: resolve(dirname(importer), path.slice('asset:'.length)),
      namespace: 'asset',
    }))
    plugin.onLoad({ filter: /.*/, namespace: 'asset' }, async ({ path }) => ({
      contents: await readFile(path),
      loader: 'binary',
    }))
  },
}

/** Where there is no operating system, Node's modules do not exist: the import is the error. */
function bareMetal(project: Project): Plugin {
  return {
    name: 'bare metal',
    setup(plugin) {
      plugin.onResolve({ filter: /^(node:|[a-z_]+(\/[a-z_]+)?$)/ }, ({ path, importer }) => {
        if (!path.startsWith('node:') && !NODE_MODULES.has(path)) return undefined
        const from = relative(project.folder, importer)
        return { errors: [{ text: `${path} needs Node.js, which target virtio does not have (imported by ${from})` }] }
      })
    },
  }
}
