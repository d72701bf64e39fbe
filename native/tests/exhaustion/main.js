// Uses up all memory; "catch" on the command line: catches that and goes on.

const hoard = () => {
  const kept = []
  for (;;) kept.push(native.commandLine.includes('small') ? { n: 1 } : new Uint8Array(65536))
}

// Cyclic garbage worth many times the memory is collected in time.
for (let i = 0; i < 400; i++) {
  const a = { bytes: new Uint8Array(100000) }
  a.self = a
}
print('garbage was collected')

if (native.commandLine.startsWith('catch')) {
  for (let i = 0; i < 5; i++) {
    try {
      hoard()
    } catch (error) {
      check(`${error}`.includes('out of memory'), `threw ${error}`)
    }
  }
  check(new Uint8Array(500000)[499999] === 0, 'no memory afterwards')
  success()
}
hoard()
