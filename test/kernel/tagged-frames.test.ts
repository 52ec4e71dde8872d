// Frames with VLAN tags, whose addresses are a guest's own: bridges pass them on, and whoever receives a tag of VLAN 0 takes the
// packet inside for an untagged one. The rules let none through, also when a listing of them was loaded again.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { policyText } from '../apply/live-host.ts';
import { needsRoot } from '../support/namespace.ts';
import { freshDirectory, program, runProgram } from '../support/run-cli.ts';

const frames = join(import.meta.dirname, 'tagged-frames.py');

/** A host with a bridge, two guests, and where the kernel has them a VLAN device on the bridge. Arguments: how to apply. */
const script = `set -e
mount -t tmpfs tmpfs /run
for name in host web db; do ip netns add $name; ip -n $name link set lo up; done
ip -n host link add br0 up type bridge mcast_snooping 0
ip -n host address add 10.0.0.1/24 dev br0
if ip -n host link add link br0 name br0.5 up type vlan id 5 2>/dev/null; then
  ip -n host address add 10.5.0.1/24 dev br0.5
  echo 'a VLAN device'
fi
for guest in 'web g1 11' 'db g2 12'; do
  read -r name port number <<END
$guest
END
  ip -n host link add $port type veth peer name eth0 address 52:54:00:00:00:$number netns $name
  ip -n host link set $port master br0 up
  ip -n $name address add 10.0.0.$number/24 dev eth0
  ip -n $name link set eth0 up
done
for turn in $(seq 300); do
  if [ "$(bridge -n host link | grep -c 'state forwarding')" = 2 ]; then break; fi
  sleep 0.1
done
python3 ${frames} 3
echo rules
ip netns exec host "$@" >/dev/null
python3 ${frames} 3
echo copy
ip netns exec host nft list ruleset >/run/copy
ip netns exec host nft flush ruleset
ip netns exec host nft -f /run/copy
python3 ${frames} 3
ip netns exec web ping -c 1 -W 20 10.0.0.12 >/dev/null && echo ping`;

test('tagged frames reach nobody', { skip: needsRoot }, async (t) => {
  const directory = freshDirectory(t);
  const apply = ['apply', '--state', join(directory, 'state'), '--policy', '-', '--no-confirm'];
  const argv = ['-n', '-m', 'sh', '-c', script, 'sh', process.execPath, program, ...apply];
  const { code, stdout, stderr } = await runProgram('unshare', argv, { input: policyText('ping') });
  assert.equal(code, 0, stderr);
  const [open = [], rules, copy] = stdout.split(/^(?:rules|copy)$/m).map((text) => text.split('\n').filter(Boolean));
  const arrived = ['db: untagged to db', 'db: priority to db', 'host: priority to host', 'card of db: VLAN 5 to db'];
  if (open.includes('a VLAN device')) arrived.push('host: VLAN 5 to the VLAN device');
  for (const arrival of arrived) assert.ok(open.includes(arrival), `without rules: ${open.join(', ')}`);
  assert.deepEqual(rules, []);
  assert.deepEqual(copy, ['ping']);
});
