/** What tests do with flows again and again. */
import type { Flow } from '@mirage-ts/signatures/flow'

/** Reads to the end of the stream. */
export async function readAll(flow: Flow): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) chunks.push(chunk)
  return concat(chunks)
}

/** Reads until `lenBytes` octets have come, and returns all that came; fewer when the stream ends before. */
export async function readAtLeast(flow: Flow, lenBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let gotBytes = 0
  while (gotBytes < lenBytes) {
    const chunk = await flow.read()
    if (chunk === undefined) break
    chunks.push(chunk)
    gotBytes += chunk.length
  }
  return concat(chunks)
}

/** Sends back all that comes, then closes. */
export async function echo(flow: Flow): Promise<void> {
  for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) await flow.write(chunk)
  await flow.close()
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((lenBytes, chunk) => lenBytes + chunk.length, 0))
  let off = 0
  for (const chunk of chunks) {
    all.set(chunk, off)
    off += chunk.length
  }
  return all
}
