/**
 * The example with a network of its own, on every target: VLANs, capture, tracer, faults, groups, names, connections by name
 * and HTTP as devices. tcpdump reads the capture.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { build, copyExample, mirage } from './lib/mirage.ts'

for (const target of ['unix', 'spt', 'virtio']) {
  test(`network lab: the devices of a network do their work on ${target}`, async () => {
    const { folder, remove } = copyExample('devices/network-lab')
    try {
      await build(folder, '-t', target)
      const capture = target === 'unix' ? ['--pcap=lab.pcap'] : ['--pcap-bytes=64KiB']
      const { status, stdout } = await mirage(folder, 'run', '--', '--logs=*:info,trace:debug', ...capture)
      assert.equal(status, 0, stdout)
      for (const line of [
        /\[trace\] in \S+ > 01:00:5e:00:00:16 vlan 7 10\.0\.0\.2 > 224\.0\.0\.22 protocol 2 /,
        /\[trace\] in .* vlan 7 10\.0\.0\.2:\d+ > 10\.0\.0\.1:53 udp /,
        /\[trace\] out .* vlan 7 10\.0\.0\.1:80 > 10\.0\.0\.2:\d+ tcp SAE? /,
        /\[client\] heard from the group\r?\n/,
        /\[client\] hello from the other end\r?\n/,
        /\[client\] the capture is full of frames\r?\n/,
      ]) {
        assert.match(stdout, line)
      }
      if (target !== 'unix') return
      const read = execFileSync('tcpdump', ['-e', '-n', '-r', join(folder, 'lab.pcap')], { encoding: 'utf8' })
      assert.match(read, /vlan 7, .*10\.0\.0\.2\.\d+ > 10\.0\.0\.1\.53: \d+\+ .*A\? www\.lab\.test\./i)
      assert.match(read, /vlan 7, .*10\.0\.0\.2 > 224\.0\.0\.22: igmp v3 report/)
    } finally {
      remove()
    }
  })
}

test('network lab: faults are for TCP and the resolver to live with, and what is no probability is refused', async () => {
  const { folder, remove } = copyExample('devices/network-lab')
  try {
    await build(folder, '-t', 'unix')
    // Nothing is lost: how long that would take is for chance to say.
    const faults = ['--fault-duplicate=0.5', '--fault-reorder=0.3', '--fault-reorder-delay=3ms']
    const bad = await mirage(folder, 'run', '--', ...faults, '--fault-delay=1ms')
    assert.equal(bad.status, 0, bad.stdout)
    assert.match(bad.stdout, /hello from the other end/)
    const wrong = await mirage(folder, 'run', '--', '--fault-loss=1.5')
    assert.equal(wrong.status, 1)
    assert.match(wrong.stdout, /config\.ts:\d+: network did not start: Cannot use 1\.5 as loss: expected 0 to 1\n/)
  } finally {
    remove()
  }
})
