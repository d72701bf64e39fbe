/** For tests: what dosfstools and mtools make of a volume. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'mirage-fat-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
let imageCount = 0

export interface Ran {
  readonly status: number | null
  readonly output: string
  /** The image afterwards. */
  readonly image: Uint8Array
}

/** Runs a program on an image; `IMAGE` among its words stands for the file. */
export function runOnImage(image: Uint8Array, program: string, ...words: readonly string[]): Ran {
  const path = join(folder, String(imageCount++))
  writeFileSync(path, image)
  const args = words.map((word) => (word === 'IMAGE' ? path : word))
  // Debian keeps the programs for file systems where only root looks.
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env })
  if (error !== undefined) {
    throw new Error(`Cannot run ${program}: install the Debian packages dosfstools and mtools`, { cause: error })
  }
  const after = new Uint8Array(readFileSync(path))
  rmSync(path)
  return { status, output: stdout + stderr, image: after }
}

/** Looks for damage; status 0 is none. */
export function fsck(image: Uint8Array): Ran {
  return runOnImage(image, 'fsck.vfat', '-n', '-v', 'IMAGE')
}

/** Repairs what can be repaired. */
export function fsckRepair(image: Uint8Array): Ran {
  return runOnImage(image, 'fsck.vfat', '-a', '-w', 'IMAGE')
}
