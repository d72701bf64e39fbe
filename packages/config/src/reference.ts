/** The reference of the language, docs/config-reference.md, made from the doc comments of its sources. */

/** A source whose exports are told of. */
export interface ReferenceSource {
  readonly title: string
  /** As config.ts imports it. */
  readonly module: string
  readonly text: string
  /** Exports to tell of, in this order; all that are documented, if left out. */
  readonly names?: readonly string[]
}

interface Entry {
  readonly name: string
  readonly signatures: readonly string[]
  readonly doc: string
}

/** Writes the reference as Markdown. */
export function writeReference(sources: readonly ReferenceSource[]): string {
  const parts = sources.map(({ title, module, text, names }) => {
    const entries = entriesOf(text)
    const chosen = names === undefined ? entries : names.map((name) => find(entries, name, module))
    const told = chosen.map(
      ({ name, signatures, doc }) => `### ${name}\n\n\`\`\`ts\n${signatures.join('\n')}\n\`\`\`\n\n${doc}\n`,
    )
    return `## ${title}: \`${module}\`\n\n${told.join('\n')}`
  })
  return `# Reference of the configuration language

Made from the doc comments in \`packages/config/src\`; the guide is [mirage-tool.md](mirage-tool.md).

${parts.join('\n')}`
}

function find(entries: readonly Entry[], name: string, module: string): Entry {
  const entry = entries.find((candidate) => candidate.name === name)
  if (entry === undefined)
    throw new RangeError(`Cannot tell of ${name}: ${module} has no documented export of that name`)
  return entry
}

const EXPORT = /^\/\*\*((?:[^*]|\*(?!\/))*)\*\/\nexport (const|function|interface|type) (\w+)/gm

/** The documented exports of a source, in its order; overloads of a function belong together. */
function entriesOf(text: string): readonly Entry[] {
  return [...text.matchAll(EXPORT)].map((match) => {
    const [whole, comment = '', word = '', name = ''] = match
    const at = match.index + whole.length - `${word} ${name}`.length
    const signatures = [signatureAt(text, at, word)]
    // An implementation behind overloads is nobody's business.
    const overload = new RegExp(`\\nexport function ${name}\\b`, 'g')
    overload.lastIndex = at
    for (let next = overload.exec(text); next !== null; next = overload.exec(text)) {
      const signature = signatureAt(text, next.index + '\nexport '.length, word)
      if (!signature.endsWith('{')) signatures.push(signature)
    }
    return { name, signatures: signatures.map((signature) => signature.replace(/ \{$/, '')), doc: docOf(comment) }
  })
}

/** From `at` to where what users need to know ends: the body of a function, the value of a constant. */
function signatureAt(text: string, at: number, word: string): string {
  const rest = text.slice(at)
  if (word === 'interface') return rest.slice(0, rest.indexOf('\n}') + 2)
  const ends = { const: / = /, type: /\n(?=\n|\/)/, function: /\) ?: [^\n]*( \{)?(?=\n)/ }[word] ?? /\n/
  const end = ends.exec(rest)
  const length = end === null ? rest.length : word === 'function' ? end.index + end[0].length : end.index
  return rest.slice(0, length)
}

function docOf(comment: string): string {
  const lines = comment.split('\n').map((line) => line.replace(/^ *\* ?/, '').trim())
  return lines
    .join('\n')
    .trim()
    .replace(/\{@link (\w+)\}/g, '`$1`')
}
