/** What every `AddressResolver` must do, as tests. Call `runAddressResolverConformance` from an implementation's test file. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipToString } from '@mirage-ts/core/addresses'
import { CancelController } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { AddressResolver } from '@mirage-ts/signatures/resolver'

/**
 * A resolver that knows `both.test` (192.0.2.1, 192.0.2.2 and 2001:db8::1), `six.test` (2001:db8::6) and `alias.test`, which is
 * another name of `both.test`; nobody can say anything of names below `silent.test`.
 */
export interface ResolverWorld {
  readonly resolver: AddressResolver
  /** Lets time go by until the promise settles. */
  until<T>(promise: Promise<T>): Promise<T>
}

export function runAddressResolverConformance(name: string, makeWorld: () => Promise<ResolverWorld>): void {
  const both = async (host: string): Promise<readonly string[]> => {
    const { resolver, until } = await makeWorld()
    const found = [...(await until(resolver.ipv4(host))), ...(await until(resolver.ipv6(host)))]
    return found.map(ipToString).sort()
  }
  const ALL = ['192.0.2.1', '192.0.2.2', '2001:db8::1']

  test(`${name}: gives the addresses of each family`, async () => {
    assert.deepEqual(await both('both.test'), ALL)
    assert.deepEqual(await both('Both.Test.'), ALL)
  })

  test(`${name}: follows aliases`, async () => assert.deepEqual(await both('alias.test'), ALL))

  test(`${name}: a name without addresses of a family, and one that does not exist, have none`, async () => {
    assert.deepEqual(await both('six.test'), ['2001:db8::6'])
    assert.deepEqual(await both('nobody.test'), [])
  })

  test(`${name}: rejects when nobody could say`, async () => {
    const { resolver, until } = await makeWorld()
    const isUnreachable = (error: unknown) => error instanceof NetError && error.code === 'host-unreachable'
    await assert.rejects(until(resolver.ipv4('www.silent.test')), isUnreachable)
    await assert.rejects(until(resolver.ipv6('www.silent.test')), isUnreachable)
  })

  test(`${name}: rejects what is no domain name`, async () => {
    const { resolver } = await makeWorld()
    await assert.rejects(resolver.ipv4('a..b'), TypeError)
  })

  test(`${name}: rejects with the signal's reason when cancelled, and answers the next question`, async () => {
    const { resolver, until } = await makeWorld()
    const controller = new CancelController()
    const asked = resolver.ipv4('both.test', { signal: controller.signal })
    const reason = new Error('enough')
    controller.cancel(reason)
    await assert.rejects(until(asked), reason)
    assert.equal((await until(resolver.ipv4('both.test'))).length, 2)
  })
}
