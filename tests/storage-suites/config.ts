/** The conformance suites of storage as an application: what passes on Node.js passes on the engine of an image as well. */
import { main, register } from '@mirage-ts/config'
import {
  block,
  crunch,
  defaultLog,
  defaultRandom,
  fatKv,
  overlayKv,
  partition,
  readable,
  tarKv,
} from '@mirage-ts/config/devices'

const suites = main('./unikernel.ts', 'start', {
  takes: {
    disk: 'block',
    numbered: 'block',
    part: 'block',
    logDisk: 'block',
    fatDisk: 'block',
    crunched: 'kv-ro',
    tar: 'kv-ro',
    fat: 'kv-ro',
    overlay: 'kv-ro',
    random: 'random',
    log: 'log',
  },
})

const tar = tarKv(block('files-tar', { isReadOnly: true }))

export default register('storage-suites', [
  suites({
    disk: block('disk'),
    numbered: block('numbered', { isReadOnly: true }),
    part: partition(block('partitioned'), '2'),
    logDisk: block('log'),
    fatDisk: block('fat'),
    crunched: crunch('./files'),
    tar,
    fat: readable(fatKv(block('files-fat', { isReadOnly: true }))),
    overlay: overlayKv(crunch('./upper'), tar),
    random: defaultRandom,
    log: defaultLog,
  }),
])
