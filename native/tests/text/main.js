// Text goes to the console as UTF-8. run.mjs compares with Node's TextEncoder.

const texts = () => [
  '',
  'plain, with a \0 in it',
  'Latin-1: äöü ÿ \x80',
  'wide: €, ݾ, 漢字',
  'pairs: 😀 \u{10ffff}',
  'lone: \ud800 \udfff \ud800\ud800 \udc00\ud800x',
  'no surrogates: \ud7ff \ue000 \uffff',
  `${'x'.repeat(70_000)}\ud834`,
]
for (const text of texts()) native.consolePrint(`${text}\n`)
