// However JavaScript runs out of stack, it gets an exception, and goes on.

let depth = 0
function recurse() {
  depth++
  return recurse() + 1
}

const deep = (n, open, close) => open.repeat(n) + close.repeat(n)
const nested = () => {
  let value = []
  for (let i = 0; i < 20000; i++) value = [value]
  return value
}
const toStringLoop = { toString: () => `${toStringLoop}` }
const proxyLoop = () => {
  let proxy = {}
  for (let i = 0; i < 20000; i++) proxy = new Proxy(proxy, {})
  return proxy.anything
}
const sortLoop = () => [2, 1].sort(sortLoop)

const attempts = {
  recurse,
  toString: () => String(toStringLoop),
  jsonParse: () => JSON.parse(deep(100000, '[', ']')),
  jsonStringify: () => JSON.stringify(nested()),
  flat: () => nested().flat(Infinity),
  join: () => nested().join(),
  proxy: proxyLoop,
  sort: sortLoop,
  replace: function again() {
    return 'a'.replace(/a/, again)
  },
  regexp: () => new RegExp(deep(100000, '(', ')')),
  bind: () => {
    let f = () => 1
    for (let i = 0; i < 3000; i++) f = f.bind(null)
    return f()
  },
  getter: () => {
    const object = {
      get loop() {
        return this.loop
      },
    }
    return object.loop
  },
  async: async function again() {
    return again()
  },
}

for (const [name, f] of Object.entries(attempts)) {
  let result = 'no exception'
  try {
    const value = f()
    if (value instanceof Promise) value.catch(() => {})
  } catch (error) {
    result = `${error.name}: ${error.message}`
  }
  print(`${name}: ${result}`)
}
check(depth > 1200, `only ${depth} calls deep`)
print(`depth ${depth}`)
success()
