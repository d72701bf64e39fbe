/** The checks that every block device makes before a transfer. */
import { BlockError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'

/** Throws a `RangeError` unless `lenBytes` octets from `sector` on are whole sectors of `block`. */
export function checkTransfer(block: Block, sector: number, lenBytes: number): void {
  checkRange(block, sector, lenBytes / block.sectorBytes)
}

/** Throws a `RangeError` unless `sectorCount` sectors from `sector` on are on `block`. */
export function checkRange(block: Block, sector: number, sectorCount: number): void {
  const isWhole = Number.isSafeInteger(sector) && Number.isSafeInteger(sectorCount)
  if (!isWhole || sector < 0 || sectorCount < 0 || sector + sectorCount > block.sectorCount) {
    throw new RangeError(
      `Cannot access ${sectorCount} sectors from ${sector} on: expected whole ones of ${block.sectorCount}`,
    )
  }
}

/** Throws a `RangeError` unless `sectorBytes` can be the size of a sector. */
export function checkSectorBytes(sectorBytes: number): void {
  const isPowerOfTwo = Number.isSafeInteger(Math.log2(sectorBytes))
  if (!isPowerOfTwo || sectorBytes < 512 || sectorBytes > 65_536) {
    throw new RangeError(`Cannot use sectors of ${sectorBytes} octets: expected a power of two from 512 to 65536`)
  }
}

export function closedError(): BlockError {
  return new BlockError('closed', 'Cannot access the device: it is closed')
}

export function readOnlyError(): BlockError {
  return new BlockError('read-only', 'Cannot write: the device is read-only')
}
