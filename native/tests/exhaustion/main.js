// Uses up all memory, in the way named on the command line: "catch" catches that and goes on; "each" does so in
// every way, "thrice" three times.

const ways = {
  buffers() {
    const kept = []
    for (;;) kept.push(new Uint8Array(65536))
  },
  small() {
    const kept = []
    for (;;) kept.push({ n: 1 })
  },
  numbers() {
    const kept = []
    for (let i = 0; ; i++) kept.push(i / 3)
  },
  text() {
    const kept = []
    for (let i = 0; ; i++) kept.push(`${i} is the number of a text that nobody needs`.repeat(20))
  },
  join() {
    let text = 'a text that is joined with itself'
    for (;;) text = [text, text].join(', ')
  },
  map() {
    const kept = new Map()
    for (let i = 0; ; i++) kept.set(`key ${i}`, i)
  },
  functions() {
    const kept = []
    for (;;) kept.push(() => kept)
  },
  promises() {
    const kept = []
    for (;;) kept.push(new Promise(() => {}).then(() => kept))
  },
  json() {
    const value = Array.from({ length: 2000 }, (_, i) => ({ [`name ${i}`]: i }))
    const kept = []
    for (;;) kept.push(JSON.parse(JSON.stringify(value)))
  },
  split() {
    const kept = []
    for (;;) kept.push('a,b,c,d,e,f'.repeat(500).split(/,/))
  },
  sort() {
    for (let count = 1000; ; count *= 2) Array.from({ length: count }, (_, i) => `${count - i}`).sort()
  },
  sets() {
    const kept = []
    for (;;) kept.push(new Set(kept))
  },
}

const words = native.commandLine.split(' ')
const chosen = words.includes('each') ? Object.keys(ways) : words.filter((word) => word in ways)

// Cyclic garbage worth many times the memory is collected in time.
for (let i = 0; i < 400; i++) {
  const a = { bytes: new Uint8Array(100000) }
  a.self = a
}
print('garbage was collected')

const spareBytes = Math.min(500000, native.memory().heapBytes >> 4)

/** One way each turn of the loop: what is held in circles comes back by the next, and until then there is no room to look. */
const steps = chosen.flatMap((way) => Array(words.includes('thrice') ? 3 : 1).fill(way))
let thrown
let at = 0
const step = () => {
  try {
    ways[steps[at]]()
  } catch (error) {
    thrown = error
  }
}

const survive = () => {
  if (at < steps.length && thrown === undefined) {
    step()
    return 0
  }
  if (at < steps.length) {
    // Where not even room for the message was left, the engine says that.
    check(/^InternalError: (out of memory|Invalid error message)$/.test(`${thrown}`), `${steps[at]}: threw ${thrown}`)
    check(new Uint8Array(spareBytes)[spareBytes - 1] === 0, `${steps[at]}: no memory afterwards`)
    thrown = undefined
    at++
    return 0
  }
  // More than there can ever be is refused at once, and costs nothing.
  for (const large of [() => new ArrayBuffer(2 ** 40), () => 'x'.repeat(2 ** 29), () => new Array(2 ** 31).fill(0)]) {
    try {
      large()
      fail(`${large}: no exception`)
    } catch (error) {
      check(error instanceof Error && error.message.length > 5, `${large}: threw ${error}`)
    }
  }
  print(`survived ${chosen.join(', ')}`)
  success()
}

if (words[0] === 'catch') native.setPoll(survive)
else ways[chosen[0]]()
