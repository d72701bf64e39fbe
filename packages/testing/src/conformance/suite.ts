/** How conformance suites are run: by `node:test`, whose `test` is a `RegisterTest`, or one after the other on any engine. */

/** Takes a test: called by a suite for each of its own. */
export type RegisterTest = (title: string, body: () => Promise<void>) => unknown

/** What came of running tests. */
export interface SuiteReport {
  readonly passedCount: number
  /** The title of each test that failed, and why. */
  readonly failures: readonly string[]
}

/** Tests where there is no test runner. */
export class SuiteRunner {
  private readonly tests: { readonly title: string; readonly body: () => Promise<void> }[] = []
  readonly test: RegisterTest = (title, body) => this.tests.push({ title, body })

  /** Runs them in order; `tell` is called after each. */
  async run(tell: (title: string, failure: string | undefined) => void): Promise<SuiteReport> {
    const failures: string[] = []
    for (const { title, body } of this.tests) {
      let failure: string | undefined
      try {
        await body()
      } catch (error) {
        failure = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error)
        failures.push(`${title}: ${failure}`)
      }
      tell(title, failure)
    }
    return { passedCount: this.tests.length - failures.length, failures }
  }
}
