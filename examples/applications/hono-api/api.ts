/** The application: plain Hono, which knows nothing of unikernels. */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { streamText } from 'hono/streaming'

interface Note {
  readonly id: number
  readonly text: string
}

/** Notes kept at a time. */
const MAX_NOTE_COUNT = 1000

/** Makes the routes; `openSocket` turns a request into a WebSocket. */
export function createApi(openSocket: (request: Request) => { socket: WebSocket; response: Response }): Hono {
  const api = new Hono()
  const notes = new Map<number, Note>()
  let lastId = 0

  api.get('/', (c) => c.text('Notes, kept in memory: /notes, /count/10, /echo (WebSocket)\n'))

  api.get('/notes', (c) => c.json([...notes.values()]))

  api.post('/notes', async (c) => {
    const { text } = await c.req.json<{ text?: unknown }>().catch(() => ({ text: undefined }))
    if (typeof text !== 'string') throw new HTTPException(400, { message: 'Expected {"text": "..."}' })
    if (notes.size === MAX_NOTE_COUNT) throw new HTTPException(507, { message: 'There is no room for another note' })
    const note = { id: ++lastId, text }
    notes.set(note.id, note)
    return c.json(note, 201, { Location: `/notes/${note.id}` })
  })

  api.get('/notes/:id{[0-9]+}', (c) => {
    const note = notes.get(Number(c.req.param('id')))
    return note === undefined ? c.notFound() : c.json(note)
  })

  api.delete('/notes/:id{[0-9]+}', (c) => {
    return notes.delete(Number(c.req.param('id'))) ? c.body(null, 204) : c.notFound()
  })

  // A response that comes line by line, with a pause between two of them.
  api.get('/count/:to{[0-9]+}', (c) => {
    const to = Math.min(Number(c.req.param('to')), 1000)
    const pause = Number(c.req.query('ms') ?? 0)
    return streamText(c, async (stream) => {
      for (let i = 1; i <= to; i++) {
        await stream.writeln(String(i))
        if (pause > 0) await stream.sleep(pause)
      }
    })
  })

  api.post('/form', async (c) => c.json(await c.req.parseBody()))

  // What is sent to it comes back as it comes.
  api.post('/mirror', (c) => new Response(c.req.raw.body))

  api.get('/echo', (c) => {
    const { socket, response } = openSocket(c.req.raw)
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }) => socket.send(data))
    return response
  })

  return api
}
