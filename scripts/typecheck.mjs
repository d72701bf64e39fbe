// Type-checks every project: each package sees only the libraries it may use; tests and scripts see Node as well.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const folders = [
  ...readdirSync('packages').map((name) => `packages/${name}`),
  ...readdirSync('examples').flatMap((group) =>
    readdirSync(`examples/${group}`).map((name) => `examples/${group}/${name}`),
  ),
]
const projects = ['tsconfig.json', ...folders.map((folder) => `${folder}/tsconfig.json`)].filter((file) =>
  existsSync(file),
)
let failedCount = 0

function check(project) {
  return new Promise((resolve) => {
    const tsc = spawn('node_modules/.bin/tsc', ['-p', project, '--noEmit'], { stdio: 'inherit' })
    tsc.on('exit', (status) => {
      if (status !== 0) failedCount++
      resolve()
    })
  })
}

const queue = [...projects]
const workers = Array.from({ length: availableParallelism() }, async () => {
  for (let project = queue.shift(); project !== undefined; project = queue.shift()) await check(project)
})
await Promise.all(workers)
console.log(`Type check: ${projects.length - failedCount} of ${projects.length} projects are right`)
process.exitCode = failedCount === 0 ? 0 : 1
