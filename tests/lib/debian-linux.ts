/** Small Linux machines to test with and to compare with: one of Debian's kernels, busybox, and what they are given. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './mirage.ts'

/** The kernel and its first file system, for QEMU's `-kernel` and `-initrd`. */
export interface LinuxMachine {
  readonly kernel: string
  readonly initrd: string
}

/** What a machine is made of. */
export interface LinuxParts {
  /** Debian's package: `linux-image-FLAVOUR`. That for clouds is smaller, that for everything has KVM. */
  readonly flavour: 'cloud-amd64' | 'amd64'
  /** Kernel modules, without those that these depend on. The machine finds in `/modules/order` how to load them. */
  readonly modules: readonly string[]
  /** The script that runs first, for busybox's shell. */
  readonly init: string
  /** Programs of this computer, copied with their libraries. */
  readonly programs?: readonly string[]
  /** Adds files of any kind to the root of the machine's file system. */
  readonly addFiles?: (root: string) => void
}

/** Loads the modules of a machine: the start of every `init`. */
export const LOAD_MODULES: string = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
while read module; do /bin/busybox insmod /modules/$module; done < /modules/order
`

/** Makes a machine in `dist/NAME`. Downloads Debian's packages the first time. */
export function makeLinuxMachine(name: string, parts: LinuxParts): LinuxMachine {
  const folder = join(ROOT, 'dist', name)
  const { kernel, modules, busybox } = packages(parts.flavour)
  const root = join(folder, 'root')
  rmSync(root, { recursive: true, force: true })
  for (const directory of ['bin', 'proc', 'sys', 'dev', 'run', 'etc', 'tmp', 'modules']) {
    mkdirSync(join(root, directory), { recursive: true })
  }
  cpSync(busybox, join(root, 'bin/busybox'))
  const files = modulesInOrder(modules, parts.modules)
  for (const [module, file] of files) cpSync(file, join(root, 'modules', module))
  writeFileSync(join(root, 'modules/order'), [...files.keys()].map((module) => `${module}\n`).join(''))
  for (const program of parts.programs ?? []) copyProgram(program, root)
  writeFileSync(join(root, 'init'), parts.init)
  chmodSync(join(root, 'init'), 0o755)
  parts.addFiles?.(root)
  const initrd = join(folder, 'initrd')
  execFileSync('sh', ['-c', `find . | ${busybox} cpio -o -H newc 2>/dev/null | gzip -1 > ${initrd}`], { cwd: root })
  return { kernel, initrd }
}

function packages(flavour: string): { readonly kernel: string; readonly modules: string; readonly busybox: string } {
  const folder = join(ROOT, 'dist/linux', flavour)
  if (!existsSync(folder)) {
    const unfinished = `${folder}.part`
    rmSync(unfinished, { recursive: true, force: true })
    mkdirSync(unfinished, { recursive: true })
    const run = (program: string, ...words: string[]) =>
      execFileSync(program, words, { cwd: unfinished, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    const download = () => {
      const image = /Depends: (linux-image-\S+)/.exec(run('apt-cache', 'depends', `linux-image-${flavour}`))?.[1]
      if (image === undefined) throw new Error(`Cannot find the kernel of linux-image-${flavour}: run apt-get update`)
      run('apt-get', 'download', image, 'busybox-static')
    }
    try {
      download()
    } catch (error) {
      if (process.getuid?.() !== 0) throw error
      run('apt-get', 'update') // the lists of packages are missing, or too old
      download()
    }
    for (const file of readdirSync(unfinished)) {
      run('dpkg-deb', '-x', file, '.')
      rmSync(join(unfinished, file))
    }
    renameSync(unfinished, folder)
  }
  const kernel = readdirSync(join(folder, 'boot')).find((name) => name.startsWith('vmlinuz')) ?? ''
  return {
    kernel: join(folder, 'boot', kernel),
    modules: join(folder, 'lib/modules'),
    busybox: join(folder, 'bin/busybox'),
  }
}

/** These modules and all that they depend on, with their files, in the order in which they can be loaded. */
function modulesInOrder(folder: string, wanted: readonly string[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const name = /([^/]+)\.ko$/.exec(path)?.[1]
    if (name !== undefined) files.set(name.replaceAll('-', '_'), join(folder, path))
  }
  const ordered = new Map<string, string>()
  const add = (name: string): void => {
    const file = files.get(name)
    if (file === undefined) throw new Error(`Cannot find the kernel module ${name} in ${folder}`)
    const depends = /\0depends=([^\0]*)\0/.exec(readFileSync(file, 'latin1'))?.[1] ?? ''
    for (const other of depends.split(',').filter((each) => each !== '')) add(other)
    ordered.set(name, file)
  }
  for (const name of wanted) add(name)
  return ordered
}

/** Copies a program and the libraries that it is linked with. */
function copyProgram(program: string, root: string): void {
  const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)
  for (const file of [program, ...[...libraries].map((match) => match[1] as string)]) {
    const target = join(root, file)
    if (existsSync(target)) continue
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, readFileSync(file))
    chmodSync(target, 0o755)
  }
}
