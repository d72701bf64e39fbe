// A rejection that is handled late, but before the jobs ran out, is fine; the
// other one is not.

const late = Promise.reject(new Error('handled after all'))
Promise.resolve()
  .then(() => {})
  .then(() => late.catch(() => {}))

async function forgotten() {
  await null
  throw new RangeError('nobody waits for me')
}
forgotten()
