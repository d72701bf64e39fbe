// Rejections that are handled late, but before the jobs ran out, are fine; the
// other one is not.

const late = Promise.reject(new Error('handled after all'))
void Promise.resolve()
  .then(() => {})
  .then(() => late.catch(() => {}))

const many = Array.from({ length: 500 }, (_, i) => Promise.reject(new Error(`${i}`)))
void Promise.allSettled(many)

async function forgotten() {
  await null
  throw new RangeError('nobody waits for me')
}
void forgotten()
