/** Files that the image carries beside the code. */
import { asset as nativeAsset } from 'mirage:native'

/** The octets of asset `index` where they lie in the image: nothing is copied, and they cannot be written to. */
export function asset(index: number): Uint8Array {
  return new Uint8Array(nativeAsset(index))
}
