/**
 * The classes and functions that web programs expect to find, put where they are missing: all of them on the engine of a
 * unikernel, none on Node.js, which has its own. Import it first, for its effect alone:
 *
 *     import '@mirage-ts/web/globals'
 *
 * What needs a device (timers, `fetch`, `crypto`, `console`, `performance`) is given by `installDeviceGlobals` of
 * `@mirage-ts/web/device-globals`, which `serve` calls.
 */
/// <reference lib="webworker" />
import { AbortController, AbortSignal } from './abort.ts'
import { atob, btoa } from './base64.ts'
import { Blob, File } from './blob.ts'
import { DOMException } from './dom-exception.ts'
import { TextDecoder, TextDecoderStream, TextEncoder, TextEncoderStream } from './encoding.ts'
import { CloseEvent, CustomEvent, ErrorEvent, Event, EventTarget, MessageEvent } from './events.ts'
import { FormData } from './form-data.ts'
import { Headers } from './headers.ts'
import { Request } from './request.ts'
import { Response } from './response.ts'
import * as streams from './streams.ts'
import { structuredClone } from './structured-clone.ts'
import { URL, URLSearchParams } from './url.ts'

/** Makes `value` global as `name`, unless there is one. */
export function installGlobal(name: string, value: unknown): void {
  if (name in globalThis) return
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
}

const GLOBALS = {
  AbortController,
  AbortSignal,
  Blob,
  CloseEvent,
  CustomEvent,
  DOMException,
  ErrorEvent,
  Event,
  EventTarget,
  File,
  FormData,
  Headers,
  MessageEvent,
  Request,
  Response,
  TextDecoder,
  TextDecoderStream,
  TextEncoder,
  TextEncoderStream,
  URL,
  URLSearchParams,
  atob,
  btoa,
  queueMicrotask,
  structuredClone,
  self: globalThis,
  ...streams,
}

for (const [name, value] of Object.entries(GLOBALS)) installGlobal(name, value)

function queueMicrotask(callback: () => void): void {
  // An error is an unhandled rejection: nobody waits for it.
  void Promise.resolve().then(callback)
}
