/** Which coding of a file a client wants (RFC 9110 §12.5.3). */
import { type Fields, listMembers, trimOws } from './fields.ts'

/** A coding, and how the file in it is called beside the plain one. */
export interface ContentCoding {
  readonly name: string
  readonly suffix: string
}

/** Best first. */
export const CODINGS: readonly ContentCoding[] = [
  { name: 'br', suffix: '.br' },
  { name: 'zstd', suffix: '.zst' },
  { name: 'gzip', suffix: '.gz' },
]

/**
 * The coding of `available` that the client prefers; among those it likes the same, the first. `undefined` when it wants
 * none of them.
 */
export function chooseCoding(fields: Fields, available: readonly ContentCoding[]): ContentCoding | undefined {
  const accepted = fields.get('accept-encoding')
  if (accepted === undefined || available.length === 0) return undefined
  const weights = parseWeights(accepted)
  let best: ContentCoding | undefined
  let bestWeight = 0
  for (const coding of available) {
    const weight = weights.get(coding.name) ?? weights.get('*') ?? 0
    if (weight > bestWeight) {
      best = coding
      bestWeight = weight
    }
  }
  return best !== undefined && bestWeight >= (weights.get('identity') ?? 0) ? best : undefined
}

/** The weight of each member; one without is 1, one whose weight is none 0. */
function parseWeights(list: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const member of listMembers(list)) {
    const [name = '', parameter] = member.split(';', 2)
    const [, weight] = parameter === undefined ? [] : (/^q=([01](?:\.\d{0,3})?)$/i.exec(trimOws(parameter)) ?? [])
    weights.set(trimOws(name).toLowerCase(), parameter === undefined ? 1 : Math.min(1, Number(weight ?? 0)))
  }
  return weights
}
