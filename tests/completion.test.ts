/** Completion in real shells, bash and zsh, at a terminal: what a user sees after a tab. zsh's own pseudo-terminal drives both. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { copyExample, ROOT } from './lib/mirage.ts'

const MIRAGE = join(ROOT, 'packages/cli/bin/mirage.mjs')

/** The line typed, where each tab is a key, and the command line that comes of it. */
const LINES = [
  ['mirage des\t', 'describe'],
  ['mirage desc\t--s\t', 'describe --svg'],
  ['mirage build -t vi\t', 'build -t virtio'],
  ['mirage build --target=vi\t', 'build --target=virtio'],
  ['mirage build --tcp-c\tnew\t', 'build --tcp-congestion newreno'],
  ['mirage configure --net=di\t', 'configure --net=direct'],
  ['mirage configure --ipv6-\t', 'configure --ipv6-only'],
  ['mirage run -- --ipv4-g\t', 'run -- --ipv4-gateway'],
  ['mirage query --dhc\t', 'query --dhcp'],
  ['mirage inspect confi\t', 'inspect config.ts'],
  // There --net attaches, and is no key.
  ['mirage run --net READ\t', 'run --net README.md'],
] as const

/** `mirage` is a function there: it shows what it is given, and only words are asked of the real one. */
const SHOW = `mirage() {
  if [ "$1" = completion ]; then echo "asked" >> "$ASKED"; command '${process.execPath}' '${MIRAGE}' "$@"
  else echo "GIVEN<$*>"; fi
}`

const SHELLS = {
  bash: { start: 'bash --noprofile --norc -i', ready: "PS1='> '" },
  zsh: { start: 'zsh -f -i', ready: "PROMPT='> '; autoload -Uz compinit; compinit -u -D" },
} as const

/** Types the lines at a terminal with that shell; returns all that is on the screen. */
function type(shell: keyof typeof SHELLS, folder: string, lines: readonly string[]): string {
  const scripts = mkdtempSync(join(tmpdir(), 'mirage-completion-'))
  try {
    const { start, ready } = SHELLS[shell]
    writeFileSync(join(scripts, 'completion'), execFileSync(process.execPath, [MIRAGE, 'completion', shell]))
    writeFileSync(join(scripts, 'rc'), `${ready}\n${SHOW}\nsource '${scripts}/completion'\n`)
    const typed = lines.map((line) => `zpty -w -n s $'${line.replaceAll('\t', '\\t')}\\n'; wait_for 'GIVEN<*>'`)
    const driver = `zmodload zsh/zpty
screen=''
wait_for() {
  local seen='' part
  while [[ $seen != *\${~1}* ]]; do
    zpty -r s part || { print -r -- "$screen$seen ended"; exit 1 }
    seen+="$part"
  done
  screen+="$seen"
}
zpty s '${start}'
zpty -w s "source '${scripts}/rc'; echo rea''dy"
wait_for 'ready'
${typed.join('\n')}
zpty -d s
print -r -- "$screen"
`
    writeFileSync(join(scripts, 'driver'), driver)
    return execFileSync('zsh', ['-f', join(scripts, 'driver')], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, TERM: 'dumb', ASKED: join(folder, 'asked') },
    })
  } finally {
    rmSync(scripts, { recursive: true })
  }
}

for (const shell of ['bash', 'zsh'] as const) {
  test(`completion: ${shell} completes commands, options, targets, and the application's own keys`, () => {
    const { folder, remove } = copyExample('applications/static-website')
    try {
      const screen = type(
        shell,
        folder,
        LINES.map(([line]) => line),
      )
      const given = [...screen.matchAll(/GIVEN<([^>]*)>/g)].map(([, words = '']) => words.trim())
      assert.deepEqual(
        given,
        LINES.map(([, expected]) => expected),
        screen,
      )
      const asked = execFileSync('wc', ['-l', join(folder, 'asked')], { encoding: 'utf8' })
      assert.match(asked, /^1 /, 'the keys are asked for once')
    } finally {
      remove()
    }
  })
}
