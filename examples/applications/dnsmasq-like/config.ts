import { main, register } from '@mirage-ts/config'
import { localNetwork } from '@mirage-ts/config/devices'

const gateway = main('./unikernel.ts', 'start', { takes: { lan: 'lan' } })

export default register('dnsmasq-like', [gateway({ lan: localNetwork() })])
