// Throws out of nested functions, with a cause.

function inner(depth) {
  if (depth === 0) throw new TypeError('wanted a flow, got nothing')
  inner(depth - 1)
}

function outer() {
  try {
    inner(2)
  } catch (cause) {
    throw new Error('cannot start the server', { cause })
  }
}

outer()
