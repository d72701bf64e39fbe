/**
 * What web programs lean on, done with whatever `Request`, `URL`, `TextDecoder` and so on are global: each line says what
 * came of one thing. Node.js's lines are those that ours must give as well, on Node.js and on the engine of an image.
 */
/// <reference lib="webworker" />

type Check = readonly [name: string, run: () => unknown]

const bytes = (...octets: number[]) => Uint8Array.from(octets)

function thrown(run: () => unknown): string {
  try {
    return `no error: ${String(run())}`
  } catch (error) {
    return (error as Error).name
  }
}

async function rejected(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (value) => `no error: ${String(value)}`,
    (error: Error) => error.name,
  )
}

function streamOf(...pieces: string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift()
      if (piece === undefined) controller.close()
      else controller.enqueue(encoder.encode(piece))
    },
  })
}

async function readAll(stream: ReadableStream<unknown> | null): Promise<unknown[]> {
  const pieces: unknown[] = []
  if (stream === null) return ['null']
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read()
    if (done) return pieces
    pieces.push(value)
  }
}

const CHECKS: readonly Check[] = [
  ['encode', () => [...new TextEncoder().encode('aä€😀\ud800x')]],
  ['encodeInto', () => JSON.stringify(new TextEncoder().encodeInto('aä€', new Uint8Array(4)))],
  [
    'decode',
    () => new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 0x61, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80)),
  ],
  [
    'decode malformed',
    () =>
      new TextDecoder().decode(
        bytes(0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82, 0x62, 0xf0, 0x9f, 0x98, 0xed, 0xa0, 0x80, 0xc0, 0xaf),
      ),
  ],
  ['decode fatal', () => thrown(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes(0xff)))],
  ['decode BOM kept', () => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf)).length],
  [
    'decode in pieces',
    () => {
      const decoder = new TextDecoder()
      const parts = [bytes(0xe2), bytes(0x82), bytes(0xac, 0xf0, 0x9f), bytes(0x98, 0x80, 0xc3)]
      return parts.map((part) => decoder.decode(part, { stream: true })).join('|') + decoder.decode()
    },
  ],
  ['decode utf-16', () => new TextDecoder('utf-16le').decode(bytes(0x61, 0, 0xac, 0x20, 0x3d, 0xd8, 0, 0xde))],
  ['decode latin1', () => new TextDecoder('latin1').decode(bytes(0xe4, 0xff)) + new TextDecoder('ISO-8859-1').encoding],
  ['decode unknown', () => thrown(() => new TextDecoder('nonsense'))],
  ['atob', () => [atob('aGVsbG8='), atob(' aGVs\nbG8 '), btoa('hello\xff'), btoa('')].join()],
  [
    'atob malformed',
    () => ['a', 'a===', '*', 'ab=c'].map((text) => thrown(() => atob(text))).join() + thrown(() => btoa('€')),
  ],
  ['URL', () => new URL('../x y?q=ä#f', 'HTTP://User@EXAMPLE.com:80/a/b/c').href],
  [
    'URL parameters',
    () => {
      const url = new URL('http://h/?a=1')
      url.searchParams.append('b', 'x y&é')
      return url.href + url.searchParams.get('b') + JSON.stringify([...url.searchParams])
    },
  ],
  ['URL invalid', () => [thrown(() => new URL('x')), URL.canParse('http://[::1]/'), URL.canParse('http://[')].join()],
  [
    'Headers',
    () => {
      const headers = new Headers({ 'X-B': ' 1 ', 'x-a': '2' })
      headers.append('x-b', '3')
      headers.append('Set-Cookie', 'a=1')
      headers.append('Set-Cookie', 'b=2')
      headers.set('x-c', 'c')
      headers.delete('X-A')
      return JSON.stringify([
        [...headers],
        headers.get('X-B'),
        headers.has('x-a'),
        headers.getSetCookie(),
        [...headers.keys()],
      ])
    },
  ],
  [
    'Headers invalid',
    () =>
      [
        () => new Headers({ 'a b': 'c' }),
        () => new Headers({ a: 'b\nc' }),
        () => new Headers({ a: '€' }),
        () => new Headers([['a']] as never),
      ]
        .map(thrown)
        .join(),
  ],
  [
    'Response',
    async () => {
      const response = new Response('grüße', { status: 201, statusText: 'Made', headers: { a: 'b' } })
      const first = [
        response.status,
        response.statusText,
        response.ok,
        response.type,
        response.url,
        response.redirected,
        response.bodyUsed,
      ]
      return JSON.stringify([
        first,
        [...response.headers],
        await response.text(),
        response.bodyUsed,
        await rejected(response.text()),
      ])
    },
  ],
  [
    'Response kinds',
    async () =>
      JSON.stringify([
        await Response.json({ a: 1 }, { status: 202 }).json(),
        Response.json(1).headers.get('content-type'),
        Response.redirect('http://h/x').headers.get('location'),
        Response.redirect('http://h/x', 308).status,
        Response.error().status,
        Response.error().type,
      ]),
  ],
  [
    'Response invalid',
    () =>
      [
        () => new Response('', { status: 199 }),
        () => new Response('', { status: 600 }),
        () => new Response('x', { status: 204 }),
        () => Response.redirect('http://h/', 200),
        () => Response.json(undefined),
      ]
        .map(thrown)
        .join(),
  ],
  [
    'Response bodies',
    async () =>
      JSON.stringify([
        await new Response(bytes(104, 105)).text(),
        await new Response(new DataView(bytes(104, 105).buffer, 1)).text(),
        await new Response(new URLSearchParams({ a: 'b c' })).text(),
        await new Response(new Blob(['x', bytes(121)], { type: 'A/B' })).text(),
        new Response(new Blob(['x'], { type: 'A/B' })).headers.get('content-type'),
        new Response(new URLSearchParams()).headers.get('content-type'),
        await new Response(streamOf('s', 't')).text(),
        new Uint8Array(await new Response('ab').arrayBuffer()).join(),
        (await new Response('abc').blob()).size,
        await new Response().text(),
        new Response().body === null,
      ]),
  ],
  [
    'Response stream',
    async () => {
      const response = new Response('text')
      const pieces = (await readAll(response.body)) as Uint8Array[]
      return [pieces.map((piece) => new TextDecoder().decode(piece)).join(''), response.bodyUsed].join()
    },
  ],
  [
    'Response clone',
    async () => {
      const response = new Response(streamOf('a', 'b'), { status: 201, headers: { x: 'y' } })
      const clone = response.clone()
      return [await clone.text(), await response.text(), clone.status, clone.headers.get('x')].join()
    },
  ],
  [
    'Response clone of text',
    async () => {
      const response = new Response('abc')
      return (await response.clone().text()) + (await response.text()) + thrown(() => response.clone())
    },
  ],
  [
    'Request',
    async () => {
      const request = new Request('http://H:80/a/../b', { method: 'post', body: 'x', headers: { a: 'b' } })
      const copy = new Request(request, { headers: { c: 'd' } })
      return JSON.stringify([
        request.method,
        request.url,
        copy.url,
        [...copy.headers],
        await copy.text(),
        request.bodyUsed,
        request.redirect,
      ])
    },
  ],
  [
    'Request clone',
    async () => {
      const request = new Request('http://h/', { method: 'PUT', body: 'abc' })
      return (await request.clone().text()) + (await request.text())
    },
  ],
  [
    'Request invalid',
    () =>
      [
        () => new Request('relative'),
        () => new Request('http://u:p@h/'),
        () => new Request('http://h/', { body: 'x' }),
        () => new Request('http://h/', { method: 'CONNECT' }),
        () => new Request('http://h/', { method: 'a b' }),
      ]
        .map(thrown)
        .join(),
  ],
  [
    'Request signal',
    () => {
      const controller = new AbortController()
      const request = new Request('http://h/', { signal: controller.signal })
      controller.abort(new Error('stop'))
      return [request.signal.aborted, (request.signal.reason as Error).message].join()
    },
  ],
  [
    'form, multipart',
    async () => {
      const form = new FormData()
      form.append('a', '1\n2')
      form.append('a', 'ä"')
      form.append('file', new File(['contents'], 'n"ame.txt', { type: 'text/x' }))
      form.set('b', 'gone')
      form.set('b', 'c')
      const request = new Request('http://h/', { method: 'POST', body: form })
      const isTyped = /^multipart\/form-data; boundary=/.test(request.headers.get('content-type') ?? '')
      const read = await request.formData()
      const file = read.get('file') as File
      return JSON.stringify([
        isTyped,
        read.getAll('a'),
        read.get('b'),
        file.name,
        file.type,
        await file.text(),
        [...read.keys()],
      ])
    },
  ],
  [
    'form, urlencoded',
    async () => {
      const read = await new Response(new URLSearchParams('a=1&b=%20&a=2')).formData()
      return JSON.stringify([...read])
    },
  ],
  [
    'form malformed',
    async () =>
      rejected(new Response('x', { headers: { 'content-type': 'multipart/form-data; boundary=b' } }).formData()),
  ],
  [
    'Blob',
    async () => {
      const blob = new Blob(['abc', 'def'], { type: 'Text/X' })
      return [
        blob.size,
        blob.type,
        await blob.slice(1, -1, 'a/b').text(),
        blob.slice(5, 2).size,
        blob.slice(-2).size,
      ].join()
    },
  ],
  [
    'streams',
    async () => {
      const upper = new TransformStream<string, string>({
        transform: (piece, controller) => controller.enqueue(piece.toUpperCase()),
      })
      const piped = streamOf('a', 'ä')
        .pipeThrough(new TextDecoderStream() as never)
        .pipeThrough(upper)
      return (await readAll(piped)).join()
    },
  ],
  [
    'text streams',
    async () => {
      const source = new ReadableStream<string>({
        start(controller) {
          controller.enqueue('a\ud83d')
          controller.enqueue('\ude00')
          controller.close()
        },
      })
      const pieces = (await readAll(source.pipeThrough(new TextEncoderStream()))) as Uint8Array[]
      return pieces.map((piece) => piece.join('.')).join()
    },
  ],
  [
    'stream tee',
    async () => {
      const [one, other] = streamOf('a', 'b').tee()
      return (await new Response(one).text()) + (await new Response(other).text())
    },
  ],
  [
    'stream errors',
    async () => {
      const failing = new ReadableStream({ pull: () => Promise.reject(new RangeError('x')) })
      return rejected(new Response(failing).text())
    },
  ],
  [
    'events',
    () => {
      const target = new EventTarget()
      const seen: string[] = []
      const listener = ({ type }: Event) => seen.push(type)
      target.addEventListener('a', listener)
      target.addEventListener('a', listener)
      target.addEventListener('a', () => seen.push('once'), { once: true })
      target.addEventListener('b', (event) => event.preventDefault())
      target.dispatchEvent(new Event('a'))
      target.removeEventListener('a', listener)
      target.dispatchEvent(new Event('a'))
      return [...seen, target.dispatchEvent(new Event('b', { cancelable: true }))].join()
    },
  ],
  [
    'abort',
    () => {
      const controller = new AbortController()
      const seen: string[] = []
      controller.signal.addEventListener('abort', () => seen.push('listener'))
      controller.signal.onabort = () => seen.push('property')
      controller.abort()
      controller.abort('again')
      const any = AbortSignal.any([new AbortController().signal, controller.signal])
      return [
        ...seen.sort(),
        (controller.signal.reason as Error).name,
        any.aborted,
        thrown(() => any.throwIfAborted()),
      ].join()
    },
  ],
  [
    'structuredClone',
    () => {
      const value = {
        a: [1, 'x'],
        d: new Date(0),
        m: new Map([['k', new Set([1])]]),
        r: /x/gi,
        b: bytes(1, 2),
        n: null,
        u: undefined,
        big: 1n,
      }
      const loop: { self?: unknown } = {}
      loop.self = loop
      const copy = structuredClone({ value, loop, again: value })
      const { a, d, m, r, b } = copy.value
      return [
        JSON.stringify(a),
        a.length,
        d.getTime(),
        [...(m.get('k') ?? [])].join(),
        String(r),
        b.join(),
        'u' in copy.value,
        String(copy.value.big),
        copy.loop.self === copy.loop,
        copy.again === copy.value,
        copy.value !== value,
        structuredClone(new RangeError('e')).name,
        thrown(() => structuredClone(() => 1)),
        thrown(() => structuredClone(Symbol('s'))),
      ].join()
    },
  ],
  [
    'DOMException',
    () => {
      const error = new DOMException('m', 'AbortError')
      return [error.name, error.code, error.message, error instanceof Error].join()
    },
  ],
  [
    'tags',
    () =>
      [
        new Headers(),
        new Request('http://h/'),
        new Response(),
        new URL('http://h/'),
        new URLSearchParams(),
        new FormData(),
        new Blob([]),
      ]
        .map(String)
        .join(),
  ],
  [
    'queueMicrotask',
    async () => {
      const seen: string[] = []
      queueMicrotask(() => seen.push('task'))
      seen.push('before')
      await undefined
      return seen.join()
    },
  ],
]

/** Does everything; a line for each. */
export async function webBattery(): Promise<string[]> {
  const lines: string[] = []
  for (const [name, run] of CHECKS) {
    let result: unknown
    try {
      result = await run()
    } catch (error) {
      result = `FAILED ${String(error)}`
    }
    lines.push(`${name}: ${String(result)}`)
  }
  return lines
}
