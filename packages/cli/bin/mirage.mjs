#!/usr/bin/env node
// The `mirage` command. It and every config.ts are TypeScript: tsx loads both.
import { register } from 'tsx/esm/api'

register()
const { mirage } = await import('../src/main.ts')
process.exitCode = await mirage(process.argv.slice(2))
