// Devices asked of the kernel itself, and every way in which there is no answer.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type AnsweredLink, LinkQuestions } from '../../src/netlink/link-questions.ts';
import { doneType, encodeMessage, errorType, type Message } from '../../src/netlink/message.ts';
import { pieceKind } from '../../src/netlink/relay-script.ts';
import { addressType } from '../../src/netlink/route.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { startRelay } from '../support/relay.ts';

function words(answers: readonly (AnsweredLink | 'gone')[] | undefined): string {
  const one = (answer: AnsweredLink | 'gone'): string =>
    answer === 'gone' ? 'gone' : [answer.name, answer.what.kind, ...answer.addresses].join(' ');
  return answers?.map(one).join(', ') ?? 'unknown';
}

const setUp = `link add br0 up type bridge
tuntap add t0 mode tap
tuntap add t1 mode tap
link set t1 master br0 up
tuntap add t2 mode tap
addr add 10.0.0.1/24 dev t2
tuntap add n0 mode tun
link add v0 type veth peer name w0
tuntap add t3 mode tap
link property add dev t3 altname other
`;

const rows: readonly (readonly [names: readonly string[], wanted: string])[] = [
  [[], ''],
  [['t0'], 't0 tap'],
  [['t1', 'none', 'br0'], 't1 tap, gone, br0 bridge'],
  [['t0', 't2'], 'unknown'],
  [['n0'], 'unknown'],
  [['v0'], 'unknown'],
  [['lo'], 'unknown'],
  [['other'], 'unknown'],
  [['t3'], 't3 tap'],
];

suite('questions about devices', () => {
  test('are answered by the kernel', { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    for (const which of ['all', 'default']) {
      await mustRun(namespace, 'sysctl', ['-qw', `net.ipv6.conf.${which}.disable_ipv6=1`]);
    }
    await mustRun(namespace, 'ip', ['-batch', '-'], setUp);
    const { relay, stop } = await startRelay(namespace);
    t.after(stop);
    // how long the kernel may take to answer is not for this machine to say
    t.mock.timers.enable({ apis: ['setTimeout'] });
    for (const [names, wanted] of rows) assert.equal(words(await relay.links.ask(names)), wanted, names.join());
    const many = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? 't0' : 't1'));
    assert.equal((await relay.links.ask(many))?.length, many.length);
    await stop();
    assert.equal(await relay.links.ask(['t0']), undefined, 'nobody carries it any more');
  });

  const message = (some: Partial<Message>): Uint8Array =>
    encodeMessage({ type: errorType, flags: 0, sequence: 1, body: Uint8Array.of(0, 0, 0, 0), ...some });
  const gone = new Uint8Array(Int32Array.of(-19).buffer);

  const asked = async (...pieces: readonly (readonly [kind: number, octets: Uint8Array])[]): Promise<string> => {
    const questions = new LinkQuestions();
    questions.attach(() => undefined);
    questions.hear(pieceKind.linksReady, new Uint8Array(0));
    const answer = questions.ask(['t0']);
    for (const [kind, octets] of pieces) questions.hear(kind, octets);
    return words(await answer);
  };

  const refusals: readonly (readonly [what: string, wanted: string, kind: number, octets: Uint8Array])[] = [
    ['a device that is gone', 'gone', pieceKind.links, message({ body: gone })],
    ['another error', 'unknown', pieceKind.links, message({ body: new Uint8Array(Int32Array.of(-1).buffer) })],
    ['an error without a number', 'unknown', pieceKind.links, message({ body: new Uint8Array(0) })],
    ['an answer of another kind', 'unknown', pieceKind.links, message({ type: addressType })],
    ['an end without a beginning', 'unknown', pieceKind.links, message({ type: doneType })],
    ['a lost answer', 'unknown', pieceKind.linksLost, new Uint8Array(0)],
    ['an answer to somebody else, and none', 'unknown', pieceKind.links, message({ sequence: 9, body: gone })],
  ];
  for (const [what, wanted, kind, octets] of refusals) {
    test(`${what}: ${wanted}`, async () => assert.equal(await asked([kind, octets]), wanted));
  }

  test('before the script is ready, and after it ended, nothing is asked', async () => {
    const questions = new LinkQuestions();
    const wrote: Uint8Array[] = [];
    questions.attach((octets) => wrote.push(octets));
    assert.equal(await questions.ask(['t0']), undefined);
    questions.hear(pieceKind.linksReady, new Uint8Array(0));
    const waiting = questions.ask(['t0']);
    questions.attach(undefined);
    assert.equal(await waiting, undefined);
    assert.equal(await questions.ask(['t0']), undefined);
    assert.equal(wrote.length, 1);
  });
});
