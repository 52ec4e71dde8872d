// The table of devices that were looked at: in the kernel, what it closes and what it leaves alone, and whether somebody
// changed it.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { bridgePorts, PresenceTable } from '../../src/apply/live/presence.ts';
import {
  isPresence,
  type Presence,
  type PresenceChange,
  presenceChanges,
  presenceDifference,
  printPresence,
  printPresenceChanges,
} from '../../src/apply/presence.ts';
import { ipDevices } from '../../src/topology/ip-json.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { accessTo } from '../support/namespace-access.ts';
import { startRelay } from '../support/relay.ts';

const port = (name: string, index: number) => ({ name, index });
function changes(was: Presence, is: Presence): readonly PresenceChange[] {
  const { gone, come } = presenceDifference(was, is);
  return presenceChanges(gone, come);
}

const none: Presence = { guests: [], ports: [] };
const two: Presence = { guests: ['g1', 'g2'], ports: [port('g1', 5), port('g2', 6), port('up', 2)] };

suite('the table of present devices', () => {
  test('from one to the other by elements, what goes before what comes', () => {
    const later: Presence = { guests: ['g2', 'g3'], ports: [port('g2', 9), port('g3', 7), port('up', 2)] };
    assert.equal(
      printPresenceChanges(changes(two, later)),
      `delete element bridge bk_present ports { "g1" . 5, "g2" . 6 }
delete element bridge bk_present guests { "g1" }
add set bridge bk_present ports {
		type ifname . iface_index
		elements = { "g2" . 9, "g3" . 7 }
	}
add set bridge bk_present guests {
		type ifname
		elements = { "g3" }
	}
`,
    );
    assert.equal(printPresenceChanges(changes(two, two)), '');
  });

  test('a name that could be anything else does not get out', () => {
    for (const name of ['a b', 'x"; flush ruleset; #', '', 'a-name-that-is-too-long']) {
      assert.throws(() => printPresence({ guests: [name], ports: [] }), /cannot be written into a rule/);
    }
  });

  for (const way of ['by nft', 'directly'] as const) {
    test(`in the kernel ${way}: made, changed, and what somebody does to it is seen`, {
      skip: needsRoot,
    }, async (t) => {
      const namespace = await freshNamespace();
      t.after(() => namespace.close());
      await throughItsLife(namespace, await tableIn(namespace, way, t));
    });

    test(`who is gone stays ${way} in the table until that costs little or closes somebody else`, {
      skip: needsRoot,
    }, async (t) => {
      const namespace = await freshNamespace();
      t.after(() => namespace.close());
      await whoIsGone(namespace, await tableIn(namespace, way, t));
    });
  }

  test('devices on bridges, with their numbers; a name that no rule can have is left out', {
    skip: needsRoot,
  }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    for (const name of ['br0', 'br1']) await mustRun(namespace, 'ip', ['link', 'add', name, 'type', 'bridge']);
    for (const [name, bridge] of [
      ['g1', 'br0'],
      ['g"2', 'br0'],
      ['g3', 'br1'],
    ] as const) {
      await mustRun(namespace, 'ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap']);
      await mustRun(namespace, 'ip', ['link', 'set', name, 'master', bridge]);
    }
    const read = async () => {
      const { stdout } = await mustRun(namespace, 'ip', ['-j', '-d', 'addr', 'show']);
      return bridgePorts({ links: ipDevices.parse(JSON.parse(stdout)) });
    };
    const ports = await read();
    assert.deepEqual(
      ports.map(({ name, bridge }) => `${name} ${bridge}`),
      ['g1 br0', 'g3 br1'],
    );
    await mustRun(namespace, 'ip', ['link', 'del', 'g1']);
    await mustRun(namespace, 'ip', ['tuntap', 'add', 'dev', 'g1', 'mode', 'tap']);
    await mustRun(namespace, 'ip', ['link', 'set', 'g1', 'master', 'br0']);
    const again = await read();
    assert.notEqual(again.find(({ name }) => name === 'g1')?.index, ports[0]?.index, 'another device');
  });
});

/** Directly only what the relay does not leave to nft. */
async function tableIn(namespace: Namespace, way: 'by nft' | 'directly', t: TestContext): Promise<PresenceTable> {
  if (way === 'by nft') return new PresenceTable(accessTo(namespace));
  const { relay, stop } = await startRelay(namespace);
  t.after(stop);
  return new PresenceTable(accessTo(namespace), async (changes) => {
    assert.ok(await relay.change(changes));
    return true;
  });
}

async function throughItsLife(namespace: Namespace, table: PresenceTable): Promise<void> {
  assert.equal(await table.isIntact(), false);
  for (const presence of [none, two, { ...two, guests: ['g2'] }, none, two]) {
    await table.update(presence, presence.ports);
    assert.equal(await table.isIntact(), true);
  }
  await table.close([port('g9', 9)]);
  assert.equal(await table.isIntact(), true);
  const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'table', 'bridge', 'bk_present']);
  assert.equal(isPresence(JSON.parse(stdout), { ...two, guests: ['g1', 'g2', 'g9'] }), true);
  for (const argv of [
    ['delete', 'element', 'bridge', 'bk_present', 'guests', '{ "g1" }'],
    ['flush', 'chain', 'bridge', 'bk_present', 'leave'],
    ['insert', 'rule', 'bridge', 'bk_present', 'enter', 'accept'],
    ['add', 'element', 'bridge', 'bk_present', 'ports', '{ "g7" . 77 }'],
    ['delete', 'table', 'bridge', 'bk_present'],
  ]) {
    await mustRun(namespace, 'nft', argv);
    assert.equal(await table.isIntact(), false, argv.join(' '));
    table.forget();
    await table.update(two, two.ports);
    assert.equal(await table.isIntact(), true);
  }
  await table.remove();
  assert.equal((await namespace.run('nft', ['list', 'table', 'bridge', 'bk_present'])).code, 1);
}

async function whoIsGone(namespace: Namespace, table: PresenceTable): Promise<void> {
  const holds = async (presence: Presence): Promise<boolean> => {
    const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'table', 'bridge', 'bk_present']);
    return isPresence(JSON.parse(stdout), presence);
  };
  const one: Presence = { guests: ['g1'], ports: [port('g1', 5), port('up', 2)] };
  await table.update(two, two.ports);
  await table.update(one, one.ports);
  assert.ok((await holds(two)) && (await table.isIntact()));
  // a device with its name that is no guest's must pass
  await table.update(one, [...one.ports, port('g2', 8)]);
  assert.ok((await holds(one)) && (await table.isIntact()));
  await table.update(two, two.ports);
  // the very device that passed is closed as soon as its name is nobody's
  await table.close([port('g2', 6)]);
  assert.ok(await holds({ ...two, ports: two.ports.filter(({ name }) => name !== 'g2') }));
  const many = Array.from({ length: 300 }, (_, at) => port(`m${at}`, 100 + at));
  await table.update({ guests: two.guests, ports: [...two.ports, ...many] }, []);
  await table.update(one, one.ports);
  assert.ok(await holds(one), 'of many nothing stays');
}
