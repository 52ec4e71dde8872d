// Elements of sets and who changed what, with the kernel itself: what it took is held against nft's listing.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concatenated } from '../../src/netlink/message.ts';
import { interfaceIndexKey, interfaceNameKey } from '../../src/netlink/nf-tables.ts';
import { Relay } from '../../src/netlink/relay.ts';
import { pieceKind } from '../../src/netlink/relay-script.ts';
import type { SetElements } from '../../src/netlink/transaction.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { startRelay } from '../support/relay.ts';
import { until } from '../support/until.ts';

const table = `table bridge t {
	set ports {
		type ifname . iface_index
	}
	set guests {
		type ifname
	}
}
`;

function ports(
  what: SetElements['what'],
  ...elements: readonly (readonly [name: string, index: number])[]
): SetElements {
  const keys = elements.map(([name, index]) => concatenated([interfaceNameKey(name), interfaceIndexKey(index)]));
  return { what, family: 'bridge', table: 't', set: 'ports', keys };
}

function guests(what: SetElements['what'], ...names: readonly string[]): SetElements {
  return { what, family: 'bridge', table: 't', set: 'guests', keys: names.map(interfaceNameKey) };
}

/** As nft prints them; numbers of devices that are not there are numbers. */
async function elementsOf(namespace: Namespace, set: string): Promise<readonly string[]> {
  const { stdout } = await mustRun(namespace, 'nft', ['list', 'set', 'bridge', 't', set]);
  const [, text = ''] = /elements = \{([^}]*)\}/.exec(stdout) ?? [];
  return text
    .split(',')
    .map((one) => one.trim().replace(/\s+/g, ' '))
    .filter((one) => one !== '')
    .sort();
}

suite('the relay to nf_tables', { skip: needsRoot }, () => {
  test('elements come and go in one transaction, and nft sees the same', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    await mustRun(namespace, 'nft', ['-f', '-'], table);
    const { relay, stop } = await startRelay(namespace);
    t.after(stop);
    assert.equal(
      await relay.change([ports('add', ['vnet0', 70_000], ['fifteen-letters', 9]), guests('add', 'vnet0')]),
      true,
    );
    assert.deepEqual(await elementsOf(namespace, 'ports'), ['"fifteen-letters" . 9', '"vnet0" . 70000']);
    assert.deepEqual(await elementsOf(namespace, 'guests'), ['"vnet0"']);
    // what nft wrote is the same to us
    await mustRun(namespace, 'nft', ['add', 'element', 'bridge', 't', 'ports', '{ "vnet1" . 1234567 }']);
    const change = [ports('delete', ['vnet1', 1_234_567], ['vnet0', 70_000]), ports('add', ['vnet0', 70_001])];
    assert.equal(await relay.change(change), true);
    assert.deepEqual(await elementsOf(namespace, 'ports'), ['"fifteen-letters" . 9', '"vnet0" . 70001']);
    assert.equal(await relay.change([]), true);
  });

  test('what is refused changes nothing, and the next change is taken', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    await mustRun(namespace, 'nft', ['-f', '-'], table);
    const { relay, stop } = await startRelay(namespace);
    t.after(stop);
    assert.equal(await relay.change([guests('add', 'a'), guests('delete', 'nobody')]), false);
    assert.equal(await relay.change([guests('delete', 'nobody'), guests('add', 'a')]), false);
    assert.deepEqual(await elementsOf(namespace, 'guests'), []);
    assert.equal(await relay.change([{ ...guests('add', 'a'), table: 'none' }]), false);
    assert.equal(await relay.change([guests('add', 'a')]), true);
    assert.deepEqual(await elementsOf(namespace, 'guests'), ['"a"']);
  });

  test('several at once are answered each; thousands are more than it carries', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    await mustRun(namespace, 'nft', ['-f', '-'], table);
    const { relay, stop } = await startRelay(namespace);
    t.after(stop);
    const names = Array.from({ length: 1_500 }, (_, at) => `g${at}`);
    const answers = await Promise.all([
      relay.change([guests('add', ...names)]),
      relay.change([guests('delete', 'nobody')]),
      relay.change([guests('add', 'last')]),
    ]);
    assert.deepEqual(answers, [true, false, true]);
    assert.equal((await elementsOf(namespace, 'guests')).length, names.length + 1);
    const many = Array.from({ length: 5_000 }, (_, at) => `m${at}`);
    assert.equal(await relay.change([guests('add', ...many)]), false);
    assert.equal((await elementsOf(namespace, 'guests')).length, names.length + 1);
  });

  test('who changed which tables is heard, of nft too, and who it was', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const { relay, notices, pid, stop } = await startRelay(namespace);
    t.after(stop);
    const ends = (): number => notices.filter(({ kind }) => kind === 'end').length;
    await mustRun(namespace, 'nft', ['-f', '-'], `${table}table ip filter {\n\tchain x { }\n}\n`);
    await until(() => ends() === 1, 'the first transaction');
    await relay.change([guests('add', 'a')]);
    await until(() => ends() === 2, 'the second transaction');
    const changes = notices.flatMap((one) => (one.kind === 'change' ? [`${one.family} ${one.table}`] : []));
    assert.deepEqual([...new Set(changes)], ['bridge t', 'ip filter']);
    assert.equal(notices.at(-2)?.kind, 'change');
    const pids = notices.flatMap((one) => (one.kind === 'end' ? [one.pid] : []));
    assert.equal(pids[1], pid);
    assert.notEqual(pids[0], pid);
  });

  test('when it has ended what comes is not taken', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const { relay, stop } = await startRelay(namespace);
    await stop();
    assert.equal(await relay.change([guests('add', 'a')]), false);
    assert.equal(relay.isImpossible, false);
  });
});

const deaf = { write: () => undefined, kill: () => undefined };
const nobody = { ready: () => undefined, heard: () => undefined, lost: () => undefined };

suite('what a relay says', () => {
  test('nothing at all: there will be none', () => {
    const relay = new Relay(nobody);
    relay.attach(deaf);
    assert.equal(relay.isImpossible, false);
    relay.attach(undefined);
    assert.equal(relay.isImpossible, true);
  });

  test('one that was ready, and nothing when it is started again: there is none any more', async () => {
    const relay = new Relay(nobody);
    relay.attach(deaf);
    relay.hear(Uint8Array.of(pieceKind.ready, 0, 0, 0, 0));
    relay.attach(undefined);
    assert.equal(relay.isImpossible, false);
    relay.attach(deaf);
    assert.equal(await relay.change([guests('add', 'a')]), false, 'it does not carry anything yet');
    relay.attach(undefined);
    assert.equal(relay.isImpossible, true);
  });

  test('a lost answer fails what waits, lost notices are passed on; octets may come one by one', async () => {
    let losses = 0;
    const relay = new Relay({
      ...nobody,
      lost: () => {
        losses++;
      },
    });
    const hear = (kind: number): void => {
      for (const octet of [kind, 0, 0, 0, 0]) relay.hear(Uint8Array.of(octet));
    };
    relay.attach(deaf);
    hear(pieceKind.ready);
    const waiting = relay.change([guests('add', 'a')]);
    hear(pieceKind.noticesLost);
    assert.equal(losses, 1);
    hear(pieceKind.lost);
    await assert.rejects(waiting, /its answer was lost/);
    assert.equal(losses, 1);
  });

  test('what could not be sent was not done; of several nobody knows which', async () => {
    const relay = new Relay(nobody);
    relay.attach(deaf);
    relay.hear(Uint8Array.of(pieceKind.ready, 0, 0, 0, 0));
    const refused = Uint8Array.of(pieceKind.refused, 0, 0, 0, 0);
    const alone = relay.change([guests('add', 'a')]);
    relay.hear(refused);
    assert.equal(await alone, false);
    const both = [relay.change([guests('add', 'a')]), relay.change([guests('add', 'b')])];
    relay.hear(refused);
    for (const { status } of await Promise.allSettled(both)) assert.equal(status, 'rejected');
  });

  test('it ends before it has answered: what became of that is not known', async () => {
    const relay = new Relay(nobody);
    relay.attach(deaf);
    relay.hear(Uint8Array.of(pieceKind.ready, 0, 0, 0, 0));
    const waiting = relay.change([guests('add', 'a')]);
    relay.attach(undefined);
    await assert.rejects(waiting, /the relay to nf_tables ended/);
  });

  test('it is silent: it is ended, so that nothing is done later', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let kills = 0;
    const relay = new Relay(nobody);
    relay.attach({ ...deaf, kill: () => kills++ });
    relay.hear(Uint8Array.of(pieceKind.ready, 0, 0, 0, 0));
    const waiting = relay.change([guests('add', 'a')]);
    t.mock.timers.tick(10_000);
    await assert.rejects(waiting, /ended/);
    assert.equal(kills, 1);
    assert.equal(await relay.change([guests('add', 'a')]), false);
  });
});
