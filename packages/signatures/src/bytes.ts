/**
 * A packet buffer: one allocation seen twice, as octets and as a big-endian view.
 *
 * Both views are made once, when the buffer is, and cover the same octets. Layers pass `(frame, off, end)` to each
 * other and never make a sub-view: on the engine of a unikernel a view costs more than parsing a header.
 * A frame handed out for sending holds whatever it held before: whoever emits a header writes every octet of it.
 */
export interface Frame {
  readonly u8: Uint8Array
  readonly dv: DataView
}
