/** Importing at run time, also where the tool was compiled as a script: such code cannot import by itself. */

/** Given by bin/mirage.mjs. */
declare const importForScript: ((specifier: string) => Promise<unknown>) | undefined

/** Imports a module; `specifier` is a URL, or a package of the tool. */
export function importModule(specifier: string): Promise<unknown> {
  return typeof importForScript === 'undefined' ? import(specifier) : importForScript(specifier)
}
