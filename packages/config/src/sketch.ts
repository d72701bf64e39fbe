/**
 * The graph as far as it is decided: for drawing what a configuration may still become. A choice that is made, or that
 * has one possibility left, is not in it; one that is open is a node of its own.
 */
import { type DeviceNode, type MatchNode, type Node, target, type Unikernel } from './config.ts'
import { camelCase, titleOf } from './graph.ts'
import type { Place } from './place.ts'

/** A node of the drawing. */
export interface SketchNode {
  /** `ipv4_3`; `net_4` for the choice of `--net`. */
  readonly id: string
  readonly tag: 'device' | 'choice'
  /** `network 'service'`; `--net` */
  readonly title: string
  /** `createNetwork of @mirage-ts/node/network`; what the key is about. */
  readonly detail: string
  readonly place: Place | undefined
  readonly edges: readonly SketchEdge[]
}

/** From a device to what it takes, or from a choice to a possibility. */
export interface SketchEdge {
  readonly to: string
  /** The name of the dependency, or the word that chooses it. */
  readonly label: string
  /** It is what is taken when nothing is said. */
  readonly isDefault: boolean
}

/** The nodes of a graph whose keys are `decided` so far, users before what they use. */
export function sketch(unikernel: Unikernel, decided: ReadonlyMap<string, string>): readonly SketchNode[] {
  const nodes: SketchNode[] = []
  const ids = new Map<Node, string>()
  const visit = (node: Node, userPlace: Place | undefined): string => {
    const known = ids.get(node)
    if (known !== undefined) return known
    const place = node.place ?? userPlace
    const only = node.tag === 'match' ? onlyCase(node, decided) : undefined
    if (only !== undefined) {
      const id = visit(only, place)
      ids.set(node, id)
      return id
    }
    const number = nodes.length + 1
    const id = `${camelCase(node.tag === 'match' ? node.key.name : node.kind)}_${number}`
    ids.set(node, id)
    const edges: SketchEdge[] = []
    const drawn = node.tag === 'match' ? drawChoice(node) : drawDevice(node)
    nodes.push({ id, tag: node.tag === 'match' ? 'choice' : 'device', ...drawn, place, edges })
    for (const [label, next] of Object.entries(node.tag === 'match' ? node.cases : node.dependencies)) {
      const isDefault = node.tag === 'match' && label === node.key.default
      if (next !== undefined) edges.push({ to: visit(next, place), label, isDefault })
    }
    return id
  }
  for (const job of unikernel.jobs) visit(job, unikernel.place)
  return nodes
}

function onlyCase({ key, cases }: MatchNode, decided: ReadonlyMap<string, string>): Node | undefined {
  const all = Object.values(cases)
  return all.length === 1 ? all[0] : cases[decided.get(key.name) ?? '']
}

function drawChoice({ key }: MatchNode): Pick<SketchNode, 'title' | 'detail'> {
  return { title: key.name === target.name ? '-t' : `--${key.name}`, detail: key.doc }
}

function drawDevice(node: DeviceNode): Pick<SketchNode, 'title' | 'detail'> {
  return { title: titleOf(node), detail: `${node.create} of ${node.from}` }
}

/** The drawing in the language of Graphviz: devices are boxes; open choices are ellipses, their possibilities dotted. */
export function sketchToDot(
  name: string,
  nodes: readonly SketchNode[],
  showPlace: (node: SketchNode) => string,
): string {
  const lines = nodes.flatMap((node) => {
    const isChoice = node.tag === 'choice'
    const label = isChoice ? node.title : `${node.title}\n${node.detail}`
    const look = isChoice ? ', shape=ellipse, style=dashed' : ''
    return [
      `  ${node.id} [label=${quote(label)}, tooltip=${quote(showPlace(node))}${look}]`,
      ...node.edges.map(({ to, label, isDefault }) => {
        const edgeLook = isChoice ? `, style=${isDefault ? 'bold' : 'dotted'}` : ''
        return `  ${node.id} -> ${to} [label=${quote(label)}${edgeLook}]`
      }),
    ]
  })
  return [
    `digraph ${quote(name)} {`,
    '  node [shape=box, fontname="sans-serif", fontsize=11]',
    '  edge [fontname="sans-serif", fontsize=9]',
    ...lines,
    '}',
    '',
  ].join('\n')
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`
}
