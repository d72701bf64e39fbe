/** Which flows do at once what needs no waiting. */
import type { Flow, PromptFlow } from '@mirage-ts/signatures/flow'

/** `flow` when it is one of those. */
export function promptFlow(flow: Flow): PromptFlow | undefined {
  return 'tryRead' in flow ? (flow as PromptFlow) : undefined
}
