// What leans on libc: number formatting and parsing, Math, Date, sort, RegExp.
// The runner executes the same function under Node and compares.

const sample = () => {
  const numbers = [0, -0, 1, -1.5, 0.1, 1e21, 1e-7, 123456.789, 2 ** 53, 5e-324, 1.7976931348623157e308, NaN, -Infinity]
  const out = []
  for (const x of numbers)
    out.push(
      `${x} ${x.toString(2).slice(0, 40)} ${JSON.stringify(x)} ${Math.abs(x) < 1e21 ? x.toFixed(3) : ''} ${x.toPrecision(6)} ${x.toExponential(4)}`,
    )
  for (const text of ['1.5', '-1e400', '123456789012345678901234567890', '4.9e-324', '0.30000000000000004', '1e23'])
    out.push(JSON.parse(text), parseFloat(text), Number(text))
  for (const name of [
    'sin',
    'cos',
    'tan',
    'asin',
    'acos',
    'atan',
    'sinh',
    'cosh',
    'tanh',
    'asinh',
    'acosh',
    'atanh',
    'exp',
    'expm1',
    'log',
    'log1p',
    'log2',
    'log10',
    'sqrt',
    'cbrt',
    'floor',
    'ceil',
    'round',
    'trunc',
    'fround',
    'clz32',
    'sign',
  ])
    for (const x of [0.3, 1.7, -0.9, 12345.678]) out.push(`${name} ${x} ${Math[name](x).toPrecision(12)}`)
  out.push(
    (1.1 ** 50).toPrecision(12),
    Math.hypot(3, 4, 12),
    Math.atan2(-1, 2).toPrecision(12),
    5.5 % 2,
    -7 % 3,
    Math.imul(0xffffffff, 5),
  )
  out.push(
    new Date(1700000000123).toISOString(),
    new Date(Date.UTC(2024, 1, 29)).toUTCString(),
    Date.parse('2026-11-20T12:00:00Z'),
  )
  out.push([5, 3, 9, 1, 10].sort().join(), [5, 3, 9, 1, 10].sort((a, b) => a - b).join())
  out.push(
    '2026-11-20'.replace(/(?<y>\d+)-(\d+)-(\d+)/, '$3.$2.$<y>'),
    'Ärger'.normalize('NFD').length,
    'ß'.toUpperCase(),
    /\p{Lu}/u.test('É'),
  )
  out.push((123n ** 45n).toString(16), BigInt.asIntN(8, 255n), [...new Set([1, 1, 2])].length, structuredCloneless())
  return out.join('\n')
}
const structuredCloneless = () => [1, [2, [3]]].flat(Infinity).toReversed().join()

print(sample())
success()
