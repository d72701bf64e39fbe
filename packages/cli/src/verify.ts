/** Reproducible builds: the same application built again elsewhere must give the same bytes. */
import { cp } from 'node:fs/promises'
import { type Artefact, type BuildOptions, makeArtefact } from './build.ts'
import type { Configured } from './configure.ts'
import { configureElsewhere, givenWords, isSource, withProjectElsewhere } from './elsewhere.ts'
import { UserError } from './errors.ts'
import { sha256 } from './label.ts'
import { type Output, timed } from './output.ts'

/** Builds again in another folder, of another depth and later, and compares. */
export async function verify(
  configured: Configured,
  artefact: Artefact,
  options: BuildOptions,
  output: Output,
): Promise<void> {
  const { project, plan } = configured
  const again = await timed(output, 'build again', () =>
    withProjectElsewhere(
      project,
      (folder) => cp(project.folder, folder, { recursive: true, filter: (path) => isSource(project, path) }),
      async (elsewhere) =>
        await makeArtefact(await configureElsewhere(elsewhere, givenWords(configured)), output, options),
    ),
  )
  const at = firstDifference(artefact.contents, again.contents)
  if (at !== undefined) {
    const near = Buffer.from(again.contents.subarray(Math.max(0, at - 20), at + 40)).toString('latin1')
    throw new UserError(
      `${plan.name} is not reproducible: built again elsewhere, octet ${at} differs, near ${JSON.stringify(near)}`,
    )
  }
  output.print(`Verified: built again elsewhere it is the same, SHA-256 ${sha256(artefact.contents)}`)
}

function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  if (Buffer.compare(a, b) === 0) return undefined
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) if (a[i] !== b[i]) return i
  return end
}
