// Shared by the JavaScript test images; run.mjs puts it in front of main.js.

import * as native from 'mirage:native'

export const print = (text) => {
  const bytes = Uint8Array.from(`${text}\n`, (c) => c.charCodeAt(0))
  native.consoleWrite(bytes, 0, bytes.length)
}

export const fail = (text) => {
  print(`FAILED: ${text}`)
  native.exit(1)
}

export const check = (condition, text) => {
  if (!condition) fail(text)
}

export const expectThrow = (kind, f, text) => {
  try {
    f()
  } catch (error) {
    check(error instanceof kind, `${text}: threw ${error}`)
    check(error.message.length > 10, `${text}: says only "${error.message}"`)
    return
  }
  fail(`${text}: did not throw`)
}

export const success = () => {
  print('SUCCESS')
  native.exit(0)
}
