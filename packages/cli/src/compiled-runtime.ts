/**
 * The native runtime of one program whose functions are compiled to machine code (`--native`). Objects are kept by what they
 * were compiled from, so a build after a change compiles what changed.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readModule } from '@mirage-ts/aot/bytecode'
import { parseFirstAtom, parseOpcodes } from '@mirage-ts/aot/opcodes'
import { type CompiledProgram, compileProgram } from '@mirage-ts/aot/program'
import type { TargetName } from '@mirage-ts/config/targets'
import { sha256 } from './label.ts'
import { engineFolder, makeArguments, runMake } from './make.ts'
import { type Output, timed } from './output.ts'
import { featuresOf } from './runtime.ts'
import type { Toolchain } from './toolchain.ts'

/** The bytecode section's own header (`native/include/payload.h`); the engine's begins behind it. */
const HEADER_LEN = 16
/** The engine's checksum, behind its version. */
const CHECKSUM_OFF = 1

/** Files of compiled programs that are kept; the oldest go. */
const KEPT_FILES = 400

/** The engine with compiled functions: compiled when a program first needs it. */
const ENGINE_OBJECT = 'obj-bare/aot-engine.o'

/** The path of a runtime with the functions of `bytecode`, compiled now unless the same ones have been before. */
export async function compiledRuntimeFor(
  toolchain: Toolchain,
  target: TargetName,
  bytecode: Uint8Array,
  output: Output,
): Promise<string> {
  const program = await timed(output, 'compile to C', async () => await compileBytecode(bytecode))
  for (const { name, line, why } of program.interpreted) output.detail(`interpreted: ${name}, line ${line}: ${why}`)
  const features = featuresOf(bytecode)
  const folder = join(dirname(toolchain.runtime), 'compiled')
  const digest = sha256(Buffer.from(JSON.stringify([target, features, [...program.files]]))).slice(0, 16)
  const runtime = join(folder, `${target}-${digest}.elf`)
  if (existsSync(runtime)) {
    await utimes(runtime, new Date(), new Date())
    return runtime
  }
  await mkdir(folder, { recursive: true })
  await build(dirname(toolchain.runtime), runtime, target, features, program, output)
  await prune(folder)
  return runtime
}

async function compileBytecode(bytecode: Uint8Array): Promise<CompiledProgram> {
  const header = (name: string) => readFile(join(engineFolder(), name), 'utf8')
  const opcodes = parseOpcodes(await header('quickjs-opcode.h'))
  const stream = bytecode.subarray(HEADER_LEN)
  const checksum = new DataView(stream.buffer, stream.byteOffset).getUint32(CHECKSUM_OFF, true)
  const module = readModule(stream, parseFirstAtom(await header('quickjs-atom.h')))
  return compileProgram(module, checksum, opcodes)
}

/** In a folder of its own, so that several builds may compile at once: the last one's result stays, all are the same. */
async function build(
  toolchainFolder: string,
  runtime: string,
  target: TargetName,
  features: readonly string[],
  program: CompiledProgram,
  output: Output,
): Promise<void> {
  const kept = dirname(runtime)
  const temporary = join(toolchainFolder, `compiling-${process.pid}-${randomBytes(4).toString('hex')}`)
  const folder = join(temporary, 'program')
  try {
    for (const objects of (await readdir(toolchainFolder)).filter((entry) => entry.startsWith('obj-'))) {
      // Their times become now: to make, nothing has to be compiled again, whatever a checkout did to the sources.
      await cp(join(toolchainFolder, objects), join(temporary, objects), { recursive: true })
    }
    await mkdir(folder)
    const digests = new Map([...program.files].map(([name, text]) => [name, sha256(Buffer.from(text)).slice(0, 24)]))
    for (const [name, text] of program.files) {
      await writeFile(join(folder, name), text)
      const object = join(kept, `${digests.get(name)}.o`)
      if (!existsSync(object)) continue
      await utimes(object, new Date(), new Date())
      await copyFile(object, join(folder, objectOf(name)))
    }
    const args = [...makeArguments(temporary), 'compiled', `TARGET=${target}`, `PROGRAM=${folder}`]
    const functions = `${program.compiled} functions`
    const seconds = await runMake([...args, `FEATURES=${features.join(' ')}`], functions, 'a minute or two', output)
    output.progress(`Compiled ${functions} in ${seconds} s; ${program.interpreted.length} stay interpreted.`)
    for (const [name, digest] of digests) await rename(join(folder, objectOf(name)), join(kept, `${digest}.o`))
    await rename(join(temporary, ENGINE_OBJECT), join(toolchainFolder, ENGINE_OBJECT))
    await rename(join(folder, 'runtime.elf'), runtime)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

function objectOf(name: string): string {
  return name.replace(/\.c$/, '.o')
}

/** Removes what has not been used for the longest time. */
async function prune(folder: string): Promise<void> {
  const names = await readdir(folder)
  if (names.length <= KEPT_FILES) return
  // Another build may have removed some of them meanwhile.
  const timeOf = async (name: string) => (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0
  const times = await Promise.all(names.map(async (name) => [name, await timeOf(name)] as const))
  const oldest = times.sort(([, a], [, b]) => a - b).slice(0, names.length - KEPT_FILES)
  for (const [name] of oldest) await rm(join(folder, name), { force: true })
}
