// Builds the test images and starts them: in QEMU's emulation, and as sealed processes.
//
//   node native/tests/run.mjs [--only NAME] [--except REGEXP] [--out DIR] [--verbose]
//
// One line per test, then "N passed, N failed"; exit status 1 when one failed.
// Each folder here holds one image: main.c on the binding alone, or main.js on
// the whole runtime. The table below says how it is started and what must come
// out. A test that hangs is killed, alone, after its time limit.

import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  bytecode,
  expect,
  faultOn,
  here,
  imageOn,
  images,
  MACHINES,
  options,
  out,
  Q35,
  refusedOn,
  runtime,
} from './boot-image.mjs'
import { appendPayload, buildPayload } from './image.mjs'

const { only, verbose } = options
const except = options.except && new RegExp(options.except)

const largeAsset = Buffer.alloc(3000001, 0).map((_, i) => (i * 7 + 3) % 251)
const assets = [Buffer.from('first asset'), Buffer.alloc(0), largeAsset]

/** Checks of semantics/main.js that QuickJS-ng 0.15.1 is known to fail; see README.md. */
const ENGINE_DEVIATIONS = ['numbers: BigInt.asUintN of a negative number']

/** Lines of builtins/main.js in which QuickJS-ng 0.15.1 and Node 20 are known to differ. */
const LIBRARY_DEVIATIONS = ['Object 28: [["0",7],["1",8]], Node says Object 28: [["0","z"],["1",8]]']

/** What exhaustion/main.js uses up memory with. */
const WAYS = [...readFileSync(join(here, 'exhaustion/main.js'), 'utf8').matchAll(/^ {2}(\w+)\(\) \{/gm)].map(
  ([, way]) => way,
)

/** How long an asset is with which hello's payload ends at an address. */
function lenUpTo(address) {
  const program = { kind: 1, bytes: bytecode('hello') }
  const image = appendPayload(runtime('virtio'), buildPayload([program, { kind: 2, bytes: Buffer.alloc(0) }]))
  const headers = Array.from({ length: image.readUInt16LE(56) }, (_, i) => 64 + i * 56)
  const last = headers.reduce((a, b) => (image.readBigUInt64LE(b + 16) > image.readBigUInt64LE(a + 16) ? b : a))
  return address - Number(image.readBigUInt64LE(last + 16)) - Number(image.readBigUInt64LE(last + 32))
}

/** The tests that every target passes. */
const testsOn = (target) => {
  const image = imageOn(target)
  const fault = faultOn(target)
  const refused = refusedOn(target)
  return {
    'exit status 0': image('exit', 0, undefined, { args: '0' }),
    'exit status 1': image('exit', 1, undefined, { args: '1' }),
    'exit status 123': image('exit', 123, undefined, { args: '123' }),
    'fault: null read': fault('null-read', /page fault, read from 0x0000000000000000\n.*null pointer/),
    'fault: write to text': fault('write-text', /page fault, write to .*\n.*in text/),
    'fault: write to constants': fault('write-constants', /page fault, write to .*\n.*in constants/),
    'fault: write to sealed data': fault('write-sealed', /page fault, write to .*\n.*in sealed data/),
    'fault: write to the payload': fault('write-payload', /page fault, write to .*\n.*in the payload/),
    'fault: execute in the heap': fault('execute-heap', /page fault, execute at .*\n.*in the heap/),
    'fault: C stack overflow': fault(
      'stack-overflow',
      /page fault, write to .*\n.*stack guard page: the C stack overflowed/,
    ),
    'fault: address outside everything': fault(
      'nothing-there',
      /page fault, read from 0x0000007000000000\n.*in nothing/,
    ),
    'fault: division by zero': fault('divide', /fault: division error\n rip [0-9a-f]{16} in text/),
    'fault: stack smash': fault('stack-smash', /panic: .*stack smash detected/),
    panic: fault('panic', /panic: on request/),
    'exception: message, stack, cause': image('exception', 125, [
      /^uncaught exception: Error: cannot start the server\n {4}at outer \(main\.js:12:\d+\)/,
      /caused by: TypeError: wanted a flow, got nothing\n {4}at inner \(main\.js:4:\d+\)\n {4}at inner \(main\.js:5:\d+\)/,
    ]),
    'exception: unhandled rejection': image(
      'rejection',
      125,
      /^unhandled rejection: RangeError: nobody waits for me\n {4}at forgotten \(main\.js:\d+/,
    ),
    'exception: at the top level, after waiting': image(
      'top-level',
      125,
      /^uncaught exception: Error: the driver did not answer\n/,
    ),
    'exception: null, rejected in poll': image('in-poll', 125, /^unhandled rejection: null\n$/),
    'recursion ends in an exception': image('recursion', 0, [/recurse: RangeError: Maximum call stack/, /SUCCESS/]),
    ...Object.fromEntries(
      // An emulated processor takes its time.
      (target === 'virtio' ? [3, 4] : [3, 4, 6, 8]).map((mem) => [
        `memory exhausted: caught in every way, in ${mem} MiB`,
        image('exhaustion', 0, /survived buffers, .*, sets\nSUCCESS/, {
          args: target === 'virtio' ? 'catch each' : 'catch each thrice',
          mem,
        }),
      ]),
    ),
    ...Object.fromEntries(
      WAYS.map((way, i) => [
        `memory exhausted: uncaught, ${way}`,
        image('exhaustion', 124, /collected\nout of memory: \d+ of \d+ KiB/, { args: way, mem: [3, 4, 6, 8][i % 4] }),
      ]),
    ),
    clock: async () => {
      const marks = []
      let wall = 0
      let seenMs = 0
      await image('clock', 0, /SUCCESS/, {
        onLine(line) {
          if (line === 'mark') marks.push(performance.now())
          if (line.startsWith('wall ')) [wall, seenMs] = [Number(line.slice(5)) / 1000, Date.now()]
        },
      })()
      expect(Math.abs(wall - seenMs) < 2500, `wall time is off by ${wall - seenMs} ms`)
      const tookMs = marks[1] - marks[0]
      expect(Math.abs(tookMs - 1000) < 80, `a second took ${tookMs} ms`)
    },
    sleep: image('sleep', 0, /SUCCESS/),
    'floating point: its state is kept': image('fpu', 0, /SUCCESS/),
    'idle uses no processor time': async () => {
      let pid = 0
      let timer
      let used = -1
      const cpuMs = () => {
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\) /, '').split(' ')
        return (Number(fields[11]) + Number(fields[12])) * 10
      }
      await image('idle', 0, /SUCCESS/, {
        onLine(line, childPid) {
          if (line !== 'idle') return
          pid = childPid
          timer = setTimeout(() => {
            const from = cpuMs()
            timer = setTimeout(() => (used = cpuMs() - from), 1000)
          }, 300)
        },
      })()
      clearTimeout(timer)
      expect(used >= 0 && used <= 30, `one idle second took ${used} ms of processor time`)
    },
    'entropy, and a stack protector of its own for each start': async () => {
      const canaries = new Set()
      for (let i = 0; i < 3; i++) {
        const { output } = await image('entropy', 0, /^canary \d+\nSUCCESS/)()
        canaries.add(output.split('\n')[0])
      }
      expect(canaries.size === 3, [...canaries].join(', '))
    },
    'console: 100,000 bytes in one write': async () => {
      const { bytes } = await image('console', 0)()
      const wanted = Buffer.alloc(100000)
      for (let i = 0, state = 1; i < wanted.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        wanted[i] = state >>> 24
      }
      expect(bytes.equals(wanted), `${bytes.length} bytes arrived, or different ones`)
    },
    'console: text as UTF-8': async () => {
      const { bytes } = await image('text', 0)()
      const source = readFileSync(join(here, 'text', 'main.js'), 'utf8').replace(/^for .*/m, '')
      const wanted = new Function(`${source}; return texts()`)()
      const octets = new TextEncoder().encode(wanted.map((text) => `${text}\n`).join(''))
      expect(bytes.equals(octets), `${bytes.length} octets arrived, or different ones`)
    },
    'poll and the run loop': image('poll', 0, target === 'virtio' ? /SUCCESS/ : /^nothing left to wait for\n$/),
    checksum: image('checksum', 0, /SUCCESS/),
    octets: image('octets', 0, /SUCCESS/),
    'arguments are checked': image('arguments', 0, /SUCCESS/),
    assets: image('assets', 0, /SUCCESS/, { assets }),
    'language: the same as Node': async () => {
      const { output } = await image('language', 0, /SUCCESS/)()
      const source = readFileSync(join(here, 'language', 'main.js'), 'utf8').replace(/^print\([\s\S]*/m, '')
      const wanted = new Function(`${source}; return sample()`)().split('\n')
      for (const [i, line] of output.split('\n').slice(0, wanted.length).entries())
        expect(line === wanted[i], `line ${i + 1}: got ${line}, Node says ${wanted[i]}`)
    },
    'language: what it promises': async () => {
      const result = await image('semantics', 0, /SUCCESS/)()
      const lines = result.output.trimEnd().split('\n').slice(0, -1)
      const source = readFileSync(join(here, 'semantics', 'main.js'), 'utf8').replace(
        /^for \(const line of[\s\S]*/m,
        '',
      )
      // In strict code, as a module is.
      const onNode = await new Function(`'use strict'; ${source}; return report()`)()
      expect(!onNode.some((line) => line.startsWith('  failed')), `Node says otherwise:\n${onNode.join('\n')}`)
      const failed = lines.filter((line) => line.startsWith('  failed: ')).map((line) => line.slice(10))
      expect(
        JSON.stringify(failed) === JSON.stringify(ENGINE_DEVIATIONS),
        `failed:\n${failed.join('\n')}\nexpected:\n${ENGINE_DEVIATIONS.join('\n')}`,
      )
      return result
    },
    'library: each call does what Node does': async () => {
      const { output } = await image('builtins', 0, /SUCCESS/)()
      const lines = output.trimEnd().split('\n').slice(0, -1)
      const source = readFileSync(join(here, 'builtins', 'main.js'), 'utf8').replace(/^for \(const line of[\s\S]*/m, '')
      const wanted = await new Function(`'use strict'; ${source}; return report()`)()
      const different = wanted.flatMap((line, i) => (line === lines[i] ? [] : [`${lines[i]}, Node says ${line}`]))
      expect(
        JSON.stringify(different) === JSON.stringify(LIBRARY_DEVIATIONS) && lines.length === wanted.length,
        `${different.length} of ${wanted.length} differ, expected ${LIBRARY_DEVIATIONS.length}:\n${different.join('\n')}`,
      )
      return { output: `${wanted.length - different.length} of ${wanted.length} calls` }
    },
    'payload: none': image('none', 126, /refused: it holds no program/, { path: join(out, `runtime-${target}.elf`) }),
    'payload: bad magic': refused(/no payload \(bad magic\)/, (p) => void p.write('X', 0)),
    'payload: other layout version': refused(
      /refused: its layout has another version/,
      (p) => void p.writeUInt32LE(2, 8),
    ),
    'payload: other abi': refused(/refused: it was made for another version/, (p) => void p.writeUInt32LE(9, 12)),
    'payload: table too long': refused(/refused: its section table exceeds/, (p) => void p.writeUInt32LE(65536, 16)),
    'payload: length too large': refused(
      /panic: the payload's length is wrong/,
      (p) => void p.writeBigUInt64LE(1n << 60n, 24),
    ),
    'payload: section beyond the end': refused(
      /refused: a section exceeds/,
      (p) => void p.writeBigUInt64LE(1n << 20n, 48),
    ),
    'payload: misaligned section': refused(
      /refused: a section exceeds .* misaligned/,
      (p) => void p.writeBigUInt64LE(p.readBigUInt64LE(40) + 1n, 40),
    ),
    'payload: unknown section': refused(/refused: a section of unknown kind/, (p) => void p.writeUInt32LE(7, 32)),
    'payload: bytecode of another engine': refused(
      /refused: its bytecode was made by another version/,
      (p) => void p.writeUInt32LE(1, Number(p.readBigUInt64LE(40)) + 8),
    ),
    'payload: corrupt bytecode': refused(/refused: its bytecode is corrupt/, (p) => {
      const at = Number(p.readBigUInt64LE(40)) + 100
      p[at] ^= 1
    }),
  }
}

const testsOnVirtio = () => {
  const image = imageOn('virtio')
  const fault = faultOn('virtio')
  /** Boots an image that starts again and again, until it has written the line a third time. */
  const untilThird = (line, name, options) => {
    let seen = 0
    const onLine = (text, pid) => {
      if (line.test(text) && ++seen === 3) process.kill(pid)
    }
    return image(name, 'qemu 0', /terminating on signal/, { canReboot: true, onLine, ...options })()
  }
  return {
    hello: image('hello', 0, /^hello from virtio, abi 3 \[a=1 b\]\n$/, { args: 'a=1 b' }),
    // The tables are sealed by entries in themselves: wherever they lie across two of the largest pages.
    'hello with page tables on both sides of 2 MiB': async () => {
      for (const pages of [2, 4, 6, 8, 10, 13])
        await image('hello', 0, /^hello from virtio/, { assets: [Buffer.alloc(lenUpTo(2 ** 21 - pages * 4096))] })()
    },
    'hello in 4 MiB': image('hello', 0, /^hello from virtio/, { mem: 4 }),
    'hello in 8 GiB': image('hello', 0, /^hello from virtio/, { mem: 8192 }),
    'hello on q35': image('hello', 0, /hello from virtio, abi 3 \[q35\]\n$/, { machine: Q35, mem: 64, args: 'q35' }),
    'hello with a device on the command line': image('hello', 0, /\[x virtio_mmio\.device=512@0x[0-9a-f]+:\d+\]/, {
      args: 'x',
      qemu: [
        '-global',
        'virtio-mmio.force-legacy=off',
        '-netdev',
        'user,id=n0',
        '-device',
        'virtio-net-device,netdev=n0',
      ],
    }),
    'exit on q35 without isa-debug-exit': image('exit', 'qemu 0', undefined, {
      args: '3',
      machine: Q35,
      mem: 64,
      exitDevice: false,
    }),
    'exit on microvm without isa-debug-exit': image('exit', 'qemu 0', undefined, { args: '3', exitDevice: false }),
    ...Object.fromEntries(
      Object.entries(MACHINES).map(([name, machine]) => [
        `restart on ${name}: all begins anew`,
        async () => {
          const { output } = await untilThird(/^started/, 'restart', { machine, mem: 64 })
          const times = output.match(/(?<= at )\d+/g).map(Number)
          for (let i = 2; i < times.length; i += 2) expect(times[i] < times[i - 1], `the clock goes on:\n${output}`)
        },
      ]),
    ),
    'restart: sealed again': () => untilThird(/^SUCCESS/, 'memory', { args: 'again' }),
    'restart without a keyboard controller, which ends QEMU where it must': image('restart', 'qemu 0', /^restarts at/m),
    'fault: write to the page tables': fault('write-tables', /page fault, write to .*\n.*in the page tables/),
    'memory: sealed, nothing writable and executable': image('memory', 0, /^SMEP 1 SMAP 1 UMIP 1\n(.*\n)*SUCCESS/),
    'memory: the same on a processor without SMEP, SMAP and UMIP': image(
      'memory',
      0,
      /^SMEP 0 SMAP 0 UMIP 0\n(.*\n)*SUCCESS/,
      { qemu: ['-cpu', 'max,-smep,-smap,-umip'] },
    ),
    'memory: the same on one of 2008': image('memory', 0, /SUCCESS/, { qemu: ['-cpu', 'Nehalem-v1'] }),
    'memory: a processor without NX starts nothing': image('hello', 126, /^panic: this processor has .* no NX .*\n$/, {
      qemu: ['-cpu', 'max,-nx'],
    }),
    'memory: the same on q35 with 5 GiB': image('memory', 0, /SUCCESS/, { machine: Q35, mem: 5120 }),
    'fault: C stack overflow in 4 MiB': image('fault', 126, /stack guard page/, { args: 'stack-overflow', mem: 4 }),
    'memory exhausted: not enough to start': image('hello', 124, /^out of memory/, {
      mem: 4,
      assets: [Buffer.alloc(1900000)],
    }),
    'memory exhausted: image larger than memory': image(
      'hello',
      124,
      /^out of memory: the image and its stack end at/,
      {
        mem: 4,
        assets: [Buffer.alloc(2110000)],
      },
    ),
    'entropy: a processor without': image('entropy', 1, /plat_entropy_available/, {
      qemu: ['-cpu', 'max,-rdrand,-rdseed'],
    }),
    'interrupts wake, none is lost': image('irq', 0, /SUCCESS/),
    'interrupts: level-triggered': image('irq-level', 0, /SUCCESS/, {
      machine: Q35,
      mem: 64,
      qemu: ['-device', 'e1000,romfile='],
    }),
    'no system call in the runtime': () => {
      const text = execFileSync('objdump', ['-d', join(out, 'runtime-virtio.elf')], {
        encoding: 'latin1',
        maxBuffer: 1 << 28,
      })
      expect(!/\t(syscall|sysenter|int +\$0x80)/.test(text), 'the runtime contains a system call')
    },
    'hello with half of the library': image('hello', 0, /^hello from virtio/, { features: '-none' }),
    'payload: needs what the runtime lacks': image('recursion', 126, /refused: it needs parts of the library/, {
      features: '-none',
    }),
  }
}

const testsOnSpt = () => {
  const image = imageOn('spt')
  return {
    hello: image('hello', 0, /^hello from spt, abi 3 \[a=1 b\]\n$/, { args: 'a=1 b' }),
    'restart: ends with the status': image('restart', 75, /^started at \d+\nrestarts at \d+\n$/),
    'hello in 3 MiB': image('hello', 0, /^hello from spt/, { mem: 3 }),
    // Not on virtio: QEMU's emulation raises no exception of SSE.
    'floating point: an exception unmasked': image('fpu', 126, /fault: .*float.*\n rip [0-9a-f]{16} in text/i, {
      args: 'unmasked',
    }),
    'hello with half of the library': image('hello', 0, /^hello from spt/, { features: '-none' }),
    'arguments are quoted where a reader would split them': async () => {
      const words = ['two words', 'quote"', 'back\\slash', '']
      const { output } = await image('hello', 0, undefined, { words })()
      expect(output.endsWith(`["two words" "quote\\"" "back\\\\slash" ""]\n`), output)
    },
    'memory: nothing writable and executable': async () => {
      let maps = ''
      await image('idle', 0, /SUCCESS/, {
        onLine: (line, pid) => {
          if (line === 'idle') maps = readFileSync(`/proc/${pid}/maps`, 'latin1')
        },
      })()
      const rights = maps.split('\n').filter((line) => line !== '' && !line.endsWith('[vsyscall]'))
      expect(rights.length > 5, `only these mappings:\n${maps}`)
      for (const line of rights)
        expect(!/^\S+ .w.?x|^\S+ ..wx/.test(line) && !/ .wx/.test(line), `writable and executable: ${line}`)
    },
    'no descriptor but those given, a filter, no new privileges': async () => {
      let open = []
      let status = ''
      await image('idle', 0, /SUCCESS/, {
        onLine: (line, pid) => {
          if (line !== 'idle') return
          status = readFileSync(`/proc/${pid}/status`, 'latin1')
          open = readdirSync(`/proc/${pid}/fd`)
            .map(Number)
            .sort((a, b) => a - b)
        },
      })()
      expect(/^NoNewPrivs:\t1$/m.test(status) && /^Seccomp:\t2$/m.test(status), status)
      expect(open.length === 4 && open[3] === 3, `open: ${open}`) // the standard ones, and the random numbers
    },
    // Without devices, and of each descriptor 0: only the time, and the end, are allowed.
    'sealed: all system calls but two kill, and all of both other interfaces': () => {
      const CLOCK_GETTIME = 228
      const EXIT_GROUP = 231
      // Newer kernels let these two by every filter: they do nothing but in code that the kernel itself has put there.
      const [URETPROBE, UPROBE] = [335, 336]
      const X32 = 0x40000000
      const numbers = Array.from({ length: 480 }, (_, i) => i)
      const others = numbers.filter((i) => ![CLOCK_GETTIME, EXIT_GROUP, URETPROBE, UPROBE].includes(i))
      const calls = [...others, ...numbers.map((i) => X32 + i), 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 32 - 2].map(
        (i) => `call ${i}`,
      )
      calls.push(...numbers.map((i) => `call-32 ${i}`))
      const script = 'for i in "$@"; do "$0" $i; [ $? = 159 ] || echo "$i: $?" >&3; done 3>&1 >/dev/null 2>&1'
      const { stdout, status } = spawnSync('bash', ['-c', script, join(images, 'spt', 'seal.elf'), ...calls], {
        encoding: 'latin1',
      })
      expect(status === 0 && stdout === '', `not killed:\n${stdout}`)
      expect(
        spawnSync(join(images, 'spt', 'seal.elf'), ['call', String(CLOCK_GETTIME)]).status === 1,
        'the time kills, too',
      )
    },
    'a kernel without filters starts nothing': async () => {
      const path = join(images, 'spt', 'exit.elf')
      const { status, stdout } = spawnSync(join(images, 'without-seccomp'), [path, '0'], { encoding: 'latin1' })
      expect(
        status === 126 && /^panic: cannot seal the process: this kernel has no seccomp filters\n/.test(stdout),
        stdout,
      )
    },
    'frames over a stream socket': async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mirage-native-'))
      const path = join(folder, 'socket')
      const frames = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(14 + ((i * 37) % 1500), i & 255))
      const stream = Buffer.concat(
        frames.flatMap((frame) => [Buffer.from([0, 0, frame.length >> 8, frame.length & 255]), frame]),
      )
      const chunks = []
      const server = createServer((socket) => {
        socket.on('data', (chunk) => {
          chunks.push(chunk)
          if (chunks.reduce((sum, c) => sum + c.length, 0) >= stream.length) socket.end()
        })
        // In pieces that cut lengths and frames anywhere.
        for (let at = 0, n = 1; at < stream.length; at += n, n = (n * 31 + 7) % 9000)
          socket.write(stream.subarray(at, at + n))
      })
      await once(server.listen(path), 'listening')
      try {
        const { output } = await image('frames', 0, /SUCCESS 3000 frames/, { devices: ['--net', `stream:${path}`] })()
        expect(
          Buffer.concat(chunks).equals(stream),
          `${Buffer.concat(chunks).length} octets came back, or different ones`,
        )
        const rounds = Number(/in (\d+) rounds/.exec(output)[1])
        expect(rounds < 1500, `${rounds} rounds for 3000 frames: they were not taken many at a time`)
      } finally {
        server.close()
        rmSync(folder, { recursive: true })
      }
    },
    'frames: a peer that speaks something else': async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mirage-native-'))
      const path = join(folder, 'socket')
      const server = createServer((socket) => void socket.on('error', () => {}).write('GET / HTTP/1.1\r\n'))
      await once(server.listen(path), 'listening')
      try {
        await image('frames', 0, /SUCCESS 0 frames/, { devices: ['--net', `stream:${path}`] })()
      } finally {
        server.close()
        rmSync(folder, { recursive: true })
      }
    },
    'block devices': async () => {
      const path = join(images, 'disk.raw')
      writeFileSync(
        path,
        Buffer.alloc(1 << 20).map((_, i) => i * 7),
      )
      await image('blocks', 0, /SUCCESS/, { devices: ['--block', path, '--block-ro', path] })()
      expect(readFileSync(path)[512] === 0xab, 'the write is not in the file')
    },
    ...Object.fromEntries(
      [
        ...[
          'open',
          'openat',
          'socket',
          'fork',
          'execve',
          'mmap-executable',
          'mprotect-executable',
          'number-of-32-bits',
        ],
        ...['read-standard-input', 'write-standard-error', 'pread-without-disk', 'other-clock'],
      ].map((call) => [`sealed: ${call} kills`, image('seal', 'SIGSYS', /^$/, { args: call })]),
    ),
  }
}

const testsOnHost = {
  'heap (on the host, with sanitizers)': () => void execFileSync(join(images, 'heap')),
  'the clock of KVM and Xen (on the host, with sanitizers)': () => void execFileSync(join(images, 'pvclock')),
  'the clock of PCs (on the host, with sanitizers)': () => void execFileSync(join(images, 'rtc')),
  'the calibration of the clock (on the host, with sanitizers)': () => void execFileSync(join(images, 'calibration')),
  'bytecode tool: errors': () => {
    const compile = (source) => {
      const path = join(images, 'wrong.js')
      writeFileSync(path, source)
      try {
        execFileSync(join(out, 'mirage-bytecode'), [path, join(images, 'wrong.bin')], { stdio: 'pipe' })
        return 'no error'
      } catch (error) {
        return `${error.status} ${error.stderr}`
      }
    }
    const cases = [
      ['let a = 1\nlet b = = 2\n', /^1 wrong\.js:2:\d+: SyntaxError: /],
      ["import { readFile } from 'node:fs'\n", /^1 wrong\.js: ReferenceError: cannot import 'node:fs'/],
      ["import { a } from './a.js'\n", /^1 wrong\.js: ReferenceError: cannot import '/],
    ]
    for (const [source, wanted] of cases) expect(wanted.test(compile(source)), `${source}gave: ${compile(source)}`)
    expect(bytecode('hello').equals(bytecode('hello')), 'two runs differ')
  },
  'bytecode tool: what a program needs': () => {
    const needs = (source) => {
      const path = join(images, 'needs.js')
      writeFileSync(path, source)
      execFileSync(join(out, 'mirage-bytecode'), [path, join(images, 'needs.bin')])
      return readFileSync(join(images, 'needs.bin')).readUInt32LE(12)
    }
    const cases = [
      ['export const a = 1 / 2 / 3', 0],
      ['export const a = Date.now()', 1],
      ['export const a = { JSON: 1, Maps: 2, xDate: 3, $Set: 4 }', 2],
      ['export const a = new Set(new WeakMap())', 4],
      ['export const a = /a/.test("b")', 16],
      ['export const a = "a b".split(/ /)', 16],
      ['export const a = "a b".split(" ")', 0],
      ['export const a = "a".match("b")', 16],
      ['export const a = new WeakRef(new Proxy({}, {}))', 40],
    ]
    for (const [source, wanted] of cases)
      expect(needs(source) === wanted, `${source} needs ${needs(source)}, not ${wanted}`)
  },
}

const named = (prefix, some) => Object.fromEntries(Object.entries(some).map(([name, run]) => [prefix + name, run]))
const tests = {
  ...named('virtio: ', { ...testsOnVirtio(), ...testsOn('virtio') }),
  ...named('spt: ', { ...testsOnSpt(), ...testsOn('spt') }),
  ...testsOnHost,
}

const make = (...targets) =>
  execFileSync('make', ['-C', join(here, '..'), '-j2', `OUT=${out}`, ...targets], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
for (const target of ['virtio', 'spt']) mkdirSync(join(images, target), { recursive: true })
make('runtime', 'host', 'tests', 'stub', 'empty')
make('runtime', 'FEATURES=')

let passed = 0
let failed = 0
for (const [name, run] of Object.entries(tests)) {
  if ((only !== undefined && !name.includes(only)) || except?.test(name)) continue
  const from = performance.now()
  try {
    const result = await run()
    passed++
    console.log(`ok    ${name} (${Math.round(performance.now() - from)} ms)`)
    if (verbose && result) console.log(result.output)
  } catch (error) {
    failed++
    console.log(`FAIL  ${name}\n      ${error.message.trimEnd().replaceAll('\n', '\n      ')}`)
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
