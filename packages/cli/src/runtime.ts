/**
 * The native runtime of an image: that of its target, linked with the parts of the language's library that its program
 * needs. Each combination is linked once and kept with the compiled native parts.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { TargetName } from '@mirage-ts/config/targets'
import { UserError } from './errors.ts'
import { makeArguments } from './make.ts'
import type { Toolchain } from './toolchain.ts'

/** Parts of the engine's library that a runtime can be linked without, by the bits of `native/include/payload.h`. */
const FEATURES = ['date', 'json', 'mapset', 'proxy', 'regexp', 'weakref'] as const

/** Where bytecode says what it needs. */
const FEATURES_OFF = 12

/** The parts of the library that a program needs. */
export function featuresOf(bytecode: Uint8Array): readonly string[] {
  const bits = new DataView(bytecode.buffer, bytecode.byteOffset).getUint32(FEATURES_OFF, true)
  return FEATURES.filter((_, i) => (bits & (1 << i)) !== 0)
}

/** The path of the runtime for a program, linked now when no program has needed it before. */
export async function runtimeFor(toolchain: Toolchain, target: TargetName, bytecode: Uint8Array): Promise<string> {
  const features = featuresOf(bytecode)
  const suffix = features.length === FEATURES.length ? '' : `-${features.join('-') || 'none'}`
  const folder = dirname(toolchain.runtime)
  const name = `runtime-${target}${suffix}.elf`
  if (!existsSync(join(folder, name))) await link(folder, name, features)
  return join(folder, name)
}

/** In a folder of its own, so that several builds may link at once: the last one's result stays, all are the same. */
async function link(folder: string, name: string, features: readonly string[]): Promise<void> {
  const temporary = join(folder, `linking-${process.pid}-${randomBytes(4).toString('hex')}`)
  try {
    await copyObjects(folder, temporary)
    const args = [...makeArguments(temporary), `FEATURES=${features.join(' ')}`, join(temporary, name)]
    await promisify(execFile)('make', args).catch((error: { stderr?: string }) => {
      throw new UserError(`Linking the native runtime failed:\n${error.stderr?.trim() ?? String(error)}`)
    })
    for (const file of [`${name}.debug`, name]) await rename(join(temporary, file), join(folder, file))
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** Copies compiled objects. Their times become now: to make, nothing has to be compiled again, whatever a checkout did to the sources. */
export async function copyObjects(from: string, to: string): Promise<void> {
  for (const objects of (await readdir(from)).filter((entry) => entry.startsWith('obj-')))
    await cp(join(from, objects), join(to, objects), { recursive: true })
}
