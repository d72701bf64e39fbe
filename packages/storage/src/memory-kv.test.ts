import { test } from 'node:test'
import { runKvTransactionalConformance } from '@mirage-ts/testing/conformance/kv-rw-suite'
import { createMemoryKv } from './memory-kv.ts'

runKvTransactionalConformance(test, 'memory kv', async () => ({ kv: createMemoryKv(), close() {} }))
