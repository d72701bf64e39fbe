import { abiVersion, commandLine, consoleWrite, target } from 'mirage:native'

const text = `hello from ${target}, abi ${abiVersion} [${commandLine}]\n`
consoleWrite(
  Uint8Array.from(text, (c) => c.charCodeAt(0)),
  0,
  text.length,
)
