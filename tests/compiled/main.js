// Prints the cases, on the engine; the test puts support.js and cases.js in front.
for (const [name, run] of Object.entries(cases)) {
  let result
  try {
    result = String(run())
  } catch (error) {
    result = `threw ${error}\n${error.stack}`
  }
  print(`${name}: ${result}`)
}
success()
