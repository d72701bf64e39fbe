/** The text of `mirage describe`. */
import type { Instance, Plan } from './graph.ts'

/**
 * Name, keys, output and the tree of devices of a plan. A device that several use is drawn once and named again. `linked` are
 * lines about what the output has been linked of, as far as that is known.
 */
export function describe(
  plan: Plan,
  output: string,
  showPlace: (instance: Instance) => string,
  linked: readonly string[] = [],
): string {
  const configured = plan.choices.map(({ key, word, isGiven }) => `${key.name}=${word}${isGiven ? '' : ' (default)'}`)
  const atBoot = plan.bootKeys.map((key) =>
    key.default === undefined ? `${key.name} (none)` : `${key.name}=${key.default} (default)`,
  )
  const drawn = new Set<Instance>()
  const rows: { left: string; right: string }[] = []
  const draw = (instance: Instance, label: string, head: string, indent: string): void => {
    const isNew = !drawn.has(instance)
    drawn.add(instance)
    const { node } = instance
    const text = `${head}${label}${instance.id}`
    if (!isNew) {
      rows.push({ left: `${text} (above)`, right: '' })
      return
    }
    rows.push({ left: text, right: `${node.create} of ${node.from}, ${showPlace(instance)}` })
    const dependencies = [...instance.dependencies]
    dependencies.forEach(([name, dependency], index) => {
      const isLast = index === dependencies.length - 1
      draw(dependency, `${name}: `, `${indent}${isLast ? '└ ' : '├ '}`, `${indent}${isLast ? '  ' : '│ '}`)
    })
  }
  for (const job of plan.jobs) draw(job, '', '  ', '  ')
  const width = Math.max(...rows.map((row) => row.left.length))
  return [
    `Name       ${plan.name}`,
    section('Keys', configured),
    section('At boot', atBoot),
    `Output     ${output}`,
    ...(linked.length === 0 ? [] : [section('Linked', linked)]),
    'Devices',
    ...rows.map(({ left, right }) => (right === '' ? left : `${left.padEnd(width)}  ${right}`)),
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0
    ? `${title.padEnd(11)}none`
    : lines.map((line, i) => `${(i === 0 ? title : '').padEnd(11)}${line}`).join('\n')
}
