/** Where a machine's human-readable output goes. */
export interface Console {
  /** Writes the text as UTF-8, exactly; line ends are the caller's. Does not fail. */
  write(text: string): void
}
