/** Keys of Node's crypto, for tests: what a crypto package will bring. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { ZoneKey } from '@mirage-ts/signatures/zone-key'

/** A new key; signatures of Ed25519 come at once, those of ECDSA as promises: both are allowed. */
export function createZoneKey(algorithm: 13 | 15, role: ZoneKey['role']): ZoneKey {
  const { privateKey } =
    algorithm === 15 ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return zoneKeyOf(privateKey, role)
}

/** The key that `privateKey`, Ed25519 or P-256, is. */
export function zoneKeyOf(privateKey: KeyObject, role: ZoneKey['role']): ZoneKey {
  const { x = '', y = '' } = privateKey.export({ format: 'jwk' })
  const publicKey = new Uint8Array(Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]))
  if (privateKey.asymmetricKeyType === 'ed25519') {
    return { algorithm: 15, role, publicKey, sign: (octets) => new Uint8Array(sign(null, octets, privateKey)) }
  }
  return {
    algorithm: 13,
    role,
    publicKey,
    sign: async (octets) => new Uint8Array(sign('sha256', octets, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
  }
}
