/** The image that runs tests: the objects of this version's runtime, with the compiler and `native/tests/test262` as its main. */
import { execFile } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { assembleImage } from '../../packages/cli/src/image.ts'
import { makeArguments } from '../../packages/cli/src/make.ts'
import { createOutput, PROCESS_STREAMS } from '../../packages/cli/src/output.ts'
import { copyObjects } from '../../packages/cli/src/runtime.ts'
import { ensureToolchain, findToolchain } from '../../packages/cli/src/toolchain.ts'

/** Makes it in `folder` for each target; resolves with a function that puts an archive into one, and with the launcher of spt. */
export async function buildRunner(folder: string): Promise<{
  readonly launcher: string
  readonly image: (target: string, archive: Uint8Array) => string
}> {
  const state = await findToolchain()
  const { spt } = await ensureToolchain(state, createOutput(PROCESS_STREAMS, { isQuiet: false, isVerbose: false }))
  await copyObjects(state.folder, folder)
  await promisify(execFile)('make', [...makeArguments(folder), 'test262'])
  const image = (target: string, archive: Uint8Array): string => {
    const runtime = readFileSync(join(folder, 'tests', target, 'test262.elf'))
    const path = join(folder, `${target}.elf`)
    writeFileSync(path, assembleImage(runtime, { bytecode: new Uint8Array(0), assets: [archive] }))
    chmodSync(path, 0o755)
    return path
  }
  return { launcher: spt, image }
}
