import { bool, bootKey, int, main, register } from '@mirage-ts/config'
import { block, defaultLog, defaultRandom } from '@mirage-ts/config/devices'

const slot = bootKey('slot', { type: int, default: 0, doc: 'the sector with your game' })
const reset = bootKey('reset', { type: bool, default: false, doc: 'begin anew' })

const lottery = main('./unikernel.ts', 'start', {
  takes: { disk: 'block', random: 'random', log: 'log' },
  keys: { slot, reset },
})

export default register('disk-lottery', [lottery({ disk: block('lottery'), random: defaultRandom, log: defaultLog })])
