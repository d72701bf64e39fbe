/** The counters of all layers under one roof, for whoever exports them. */

/** Anything that counts. */
export interface Counted {
  readonly counters: Readonly<Record<string, number>>
}

/** `[layer, counter, value]` of every counter, in the order the layers are given. */
export function countersOf(layers: Readonly<Record<string, Counted>>): (readonly [string, string, number])[] {
  return Object.entries(layers).flatMap(([layer, { counters }]) =>
    Object.entries(counters).map(([name, value]) => [layer, name, value] as const),
  )
}

/** The same in the text format of Prometheus: `mirage_net_events_total{layer="ipv4",event="noRoute"} 0`. */
export function metricsText(layers: Readonly<Record<string, Counted>>): string {
  const lines = countersOf(layers).map(([layer, name, value]) => {
    return `mirage_net_events_total{layer="${layer}",event="${name}"} ${value}\n`
  })
  return `# TYPE mirage_net_events_total counter\n${lines.join('')}`
}
