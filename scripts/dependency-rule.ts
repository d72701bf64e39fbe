/**
 * Checks who imports whom. Packages are split by what they may touch, so an import that is not listed here is a hole in
 * the architecture: ARCHITECTURE.md tells the rule and why.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Rule {
  /** Other packages of ours. */
  readonly packages: readonly string[]
  /** Anything else, by prefix: `node:`, `mirage:native`, packages from npm. */
  readonly others?: readonly string[]
}

const RULES: Readonly<Record<string, Rule>> = {
  signatures: { packages: [] },
  core: { packages: ['signatures'] },
  net: { packages: ['signatures', 'core'] },
  storage: { packages: ['signatures', 'core'], others: ['fflate'] },
  apps: { packages: ['signatures', 'core', 'net', 'storage'], others: ['@noble/hashes/', 'fflate'] },
  web: { packages: ['signatures', 'core', 'apps'], others: ['web-streams-polyfill'] },
  aot: { packages: [] },
  config: { packages: ['signatures', 'core'], others: ['node:'] },
  cli: {
    packages: ['aot', 'config', 'core', 'signatures', 'storage', 'node'],
    others: ['node:', 'esbuild', '@viz-js/viz'],
  },
  testing: { packages: ['signatures', 'core', 'net'], others: ['node:'] },
  node: { packages: ['signatures', 'core'], others: ['node:'] },
  metal: { packages: ['signatures', 'core'], others: ['mirage:native'] },
}
/** Helpers of a package's own tests: they may use what tests may, and nothing but tests may use them. */
const IN_TESTING = /^\..*\/testing\//
/** Tests may use these as well. */
const TEST_RULE: Rule = { packages: ['testing'], others: ['node:', 'fast-check'] }

const IMPORT = /^\s*(?:import|export)\s(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm

function problemsOf(name: string): readonly string[] {
  const rule = RULES[name]
  if (rule === undefined) return [`packages/${name}: this package has no line in scripts/dependency-rule.ts`]
  const root = join('packages', name, 'src')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  return files.flatMap((file) => {
    const isTest = file.endsWith('.test.ts') || IN_TESTING.test(`./${file}`)
    const packages = [name, ...rule.packages, ...(isTest ? TEST_RULE.packages : [])]
    const others = [...(rule.others ?? []), ...(isTest ? (TEST_RULE.others ?? []) : [])]
    return importsOf(readFileSync(join(root, file), 'utf8'))
      .filter((specifier) => !isAllowed(specifier, file, packages, others) || (!isTest && IN_TESTING.test(specifier)))
      .map((specifier) => `${join(root, file)}: may not import ${specifier}`)
  })
}

function importsOf(source: string): readonly string[] {
  return [...source.matchAll(IMPORT)].map((match) => match[1] as string)
}

function isAllowed(specifier: string, file: string, packages: readonly string[], others: readonly string[]): boolean {
  if (specifier.startsWith('.')) return !join(file, '..', specifier).startsWith('..')
  const own = /^@mirage-ts\/([^/]+)/.exec(specifier)?.[1]
  return own === undefined ? others.some((prefix) => specifier.startsWith(prefix)) : packages.includes(own)
}

const names = readdirSync('packages')
const problems = names.flatMap(problemsOf)
for (const problem of problems) console.error(problem)
console.log(`Dependency rule: ${names.length} packages, ${problems.length} imports that break it`)
process.exitCode = problems.length === 0 ? 0 : 1
