/** What `mirage init` begins with. */

/** A kind of new application. */
export interface Template {
  /** Packages of ours that it and its targets need, without their scope. */
  readonly packages: readonly string[]
  /** Its files, by path. */
  files(name: string): Readonly<Record<string, string>>
}

const TSCONFIG = {
  compilerOptions: {
    target: 'ES2024',
    lib: ['ES2024'],
    types: [],
    module: 'ESNext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
  },
  include: ['*.ts', 'mirage/*.d.ts'],
}

function common(name: string, about: string): Readonly<Record<string, string>> {
  return {
    'tsconfig.json': `${JSON.stringify(TSCONFIG, null, 2)}\n`,
    '.gitignore': 'node_modules/\ndist/\nmirage/\n',
    'README.md': `# ${name}

${about}

\`\`\`sh
npx mirage run             # a process
npx mirage run -t virtio   # an operating system, in QEMU
npx mirage dev             # a process, restarted with every change
npx mirage describe        # what it is made of
\`\`\`
`,
  }
}

const hello: Template = {
  packages: ['config', 'core', 'metal', 'node', 'signatures'],
  files: (name) => ({
    ...common(name, 'Logs a greeting after a second.'),
    'config.ts': `import { bootKey, main, register, string } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'

const greet = main('./unikernel.ts', 'start', {
  takes: { time: 'time', log: 'log' },
  keys: { whom: bootKey('whom', { type: string, default: 'world', doc: 'whom to greet' }) },
})

export default register('${name}', [greet({ time: defaultTime, log: defaultLog })])
`,
    'unikernel.ts': `import { seconds } from '@mirage-ts/core/time'
import type { Log } from '@mirage-ts/signatures/log'
import type { Time } from '@mirage-ts/signatures/time'

export async function start({ time, log }: { time: Time; log: Log }, { whom }: { whom: string }): Promise<void> {
  await time.sleep(seconds(1))
  log.logger('${name}').info(\`hello, \${whom}\`)
}
`,
  }),
}

// Line by line: the check of imports reads sources as text, and these are not ours.
const WEBSITE_UNIKERNEL: string = [
  "import type { HttpService } from '@mirage-ts/apps/http/service'",
  "import { createStaticHandler } from '@mirage-ts/apps/http/static-site'",
  "import type { KvRo } from '@mirage-ts/signatures/kv'",
  '',
  'export async function start({ http, site }: { http: HttpService; site: KvRo }): Promise<void> {',
  '  const server = await http.serve(createStaticHandler({ site }))',
  '  await server.closed',
  '}',
  '',
].join('\n')

const website: Template = {
  packages: ['apps', 'config', 'core', 'metal', 'net', 'node', 'signatures', 'storage'],
  files: (name) => ({
    ...common(name, 'Serves the folder `site/` over HTTP. With `-t virtio` add `--port 8080:80`.'),
    'config.ts': `import { main, register } from '@mirage-ts/config'
import { crunch, genericStack, httpServer } from '@mirage-ts/config/devices'

const website = main('./unikernel.ts', 'start', { takes: { http: 'http-server', site: 'kv-ro' } })

export default register('${name}', [website({ http: httpServer(genericStack()), site: crunch('./site') })])
`,
    'unikernel.ts': WEBSITE_UNIKERNEL,
    'site/index.html': `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>${name}</title>
  </head>
  <body>
    <h1>${name}</h1>
    <p>This page is part of the unikernel that serves it.</p>
  </body>
</html>
`,
  }),
}

export const TEMPLATES = { hello, website } as const satisfies Readonly<Record<string, Template>>
