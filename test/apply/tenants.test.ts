// One guest's fault is one guest's: its port is closed, the fault is named, everybody else gets what the policy says.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Diagnostic, printDiagnostic } from '../../src/model/diagnostic.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { LiveHost, policyText } from './live-host.ts';

/** Web and db stand before: what comes here is the third. */
const rows: readonly (readonly [what: string, lines: readonly string[], closed: readonly string[], words: RegExp])[] = [
  [
    'an address that another guest has',
    ['  bad: { ip: 10.0.0.13, port: g3 }', '  worse: { ip: 10.0.0.13, port: g4 }'],
    ['g3', 'g4'],
    /:5:\d+: error\[duplicate-address\]: 'bad' and 'worse' have the same address/,
  ],
  [
    'the address of the host',
    ['  bad: { ip: 10.0.0.1, port: g3 }'],
    ['g3', 'g4'],
    /:4:\d+: error\[duplicate-address\]: guest 'bad' has the host's own address/,
  ],
  [
    'a whole network for an address',
    ['  bad: { ip: 10.0.0.0/8, port: g3 }'],
    ['g3', 'g4'],
    /:4:\d+: error\[bad-address\]/,
  ],
  [
    'a port that is not there',
    ['  bad: { ip: 10.0.0.13, port: g9 }'],
    ['g3', 'g4'],
    /:4:\d+: error\[unknown-port\]: no bridge has a port 'g9'/,
  ],
  [
    'a hostile name',
    ["  'x\"; touch pwned; #': { ip: 10.0.0.13, port: g3 }"],
    ['g3', 'g4'],
    /:4:\d+: error\[bad-name\]/,
  ],
  [
    'a hostile port',
    ["  bad: { ip: 10.0.0.13, port: 'g3\"; flush ruleset; #' }"],
    ['g3', 'g4'],
    /:4:\d+: error\[bad-interface\]/,
  ],
  [
    'two guests at one port',
    ['  bad: { ip: 10.0.0.13, port: g3 }', '  worse: { ip: 10.0.0.14, port: g3 }'],
    ['g3', 'g4'],
    /:5:\d+: error\[port-conflict\]/,
  ],
  [
    "another guest's MAC",
    [
      '  bad: { ip: 10.0.0.13, port: g3, mac: "52:54:00:00:00:13" }',
      '  worse: { ip: 10.0.0.14, port: g4, mac: "52:54:00:00:00:13" }',
    ],
    ['g3', 'g4'],
    /:5:\d+: error\[duplicate-mac\]/,
  ],
];

const backends = ['nft', 'iptables'] as const;

type IdOf = { readonly id: string };

class Tenants {
  readonly host: LiveHost;
  readonly resident: Resident;
  #used = 0;

  private constructor(host: LiveHost, resident: Resident) {
    this.host = host;
    this.resident = resident;
  }

  static async build(ports: readonly string[]): Promise<Tenants> {
    const host = await LiveHost.build(ports);
    await mustRun(host.namespace, 'ip', ['address', 'add', '10.0.0.1/24', 'dev', 'br0']);
    return new Tenants(host, Resident.on({ namespace: host.namespace }));
  }

  /** The program on a host where nothing was ever applied. */
  async fresh(): Promise<Resident['run']> {
    await mustRun(this.host.namespace, 'iptables-restore', [], '*filter\nCOMMIT\n');
    await mustRun(this.host.namespace, 'nft', ['flush', 'ruleset']);
    const state = `${this.host.state}-${++this.#used}`;
    return (args, env) => this.resident.run([...args, '--state', state], env);
  }

  async close(): Promise<void> {
    await this.resident.close();
    await this.host.close();
  }
}

function isWritten(host: LiveHost): boolean {
  return ['/', process.cwd(), host.directory].some((directory) => existsSync(join(directory, 'pwned')));
}

suite('bad tenants', { skip: needsRoot }, () => {
  let tenants: Tenants;
  before(async () => {
    tenants = await Tenants.build(['g1', 'g2', 'g3', 'g4']);
  });
  after(() => tenants.close());

  for (const backend of backends) {
    for (const [what, lines, closed, words] of rows) {
      test(`${backend}: ${what}`, async () => {
        const run = await tenants.fresh();
        const { host } = tenants;
        const policy = host.file('policy.yaml', policyText('ssh').replace('allow:\n', `${lines.join('\n')}\nallow:\n`));
        const apply = ['apply', '--policy', policy, '--no-confirm', '--backend', backend, '-o', 'json'];
        const { code, stdout, stderr } = await run(apply);
        assert.equal(code, 1, stderr);
        assert.match(stderr, words);
        const applied = JSON.parse(stdout);
        assert.equal(applied.outcome, 'confirmed');
        assert.ok(
          applied.diagnostics.some((one: Diagnostic) => words.test(printDiagnostic(one))),
          stdout,
        );
        assert.deepEqual(applied.closed.ports.map(({ port }: { port: string }) => port).sort(), closed);
        const { rules, drift } = JSON.parse((await run(['status', '-o', 'json'])).stdout);
        assert.deepEqual(drift, []);
        const ids = rules.map(({ id }: IdOf) => id);
        for (const id of ['guest/web/in/source', 'guest/db/out/destination', 'guest/web/allow/web-to-db-ssh'])
          assert.ok(ids.includes(id), id);
        for (const port of closed)
          assert.ok(ids.includes(`port/${port}/closed/in`), `${port} is closed: ${ids.join()}`);
        assert.equal(isWritten(host), false);
      });
    }
  }

  test('plan, diff and a dry run say the same in JSON; where no rules can be made the faults are all there is', async () => {
    const run = await tenants.fresh();
    const { host } = tenants;
    const others = [
      '  bad: { ip: 10.0.0.13, port: g3 }',
      '  worse: { ip: 10.0.0.13, port: g4 }',
      '  away: { ip: 10.0.0.15 }',
    ];
    const text = policyText('ssh').replace('allow:\n', `${others.join('\n')}\nallow:\n`);
    const policy = host.file('policy.yaml', text);
    for (const look of [['plan'], ['diff'], ['apply', '--dry-run']]) {
      const { code, stdout } = await run([...look, '--policy', policy, '-o', 'json']);
      assert.equal(code, 1);
      const { kind, diagnostics, closed } = JSON.parse(stdout);
      assert.equal(kind, look[0]);
      assert.deepEqual(
        diagnostics.map(({ code, severity, span }: Diagnostic) => [code, severity, span.line]),
        [
          ['duplicate-address', 'error', 5],
          ['guest-without-port', 'warning', 6],
          ['unknown-port', 'warning', 1],
          ['unknown-port', 'warning', 1],
        ],
      );
      assert.deepEqual(closed, {
        ports: [
          { port: 'g3', bridge: 'br0', guest: 'bad' },
          { port: 'g4', bridge: 'br0', guest: 'worse' },
        ],
        guests: ['bad', 'worse', 'away'],
      });
    }
    const none = host.file('none.yaml', `${text}colour: red\n`);
    for (const look of [['plan'], ['diff'], ['apply', '--dry-run'], ['apply', '--no-confirm']]) {
      const { code, stdout } = await run([...look, '--policy', none, '-o', 'json']);
      assert.equal(code, 1);
      const { diagnostics, ...rest } = JSON.parse(stdout);
      assert.ok(
        diagnostics.some((one: Diagnostic) => one.code === 'unknown-key'),
        stdout,
      );
      const outcome = look[0] === 'apply' ? { outcome: 'faults' } : {};
      assert.deepEqual(rest, { version: 1, kind: look[0], ...outcome });
    }
  });
});

suite('on a bridge with two ports', { skip: needsRoot }, () => {
  let tenants: Tenants;
  before(async () => {
    tenants = await Tenants.build(['g1', 'g2']);
  });
  after(() => tenants.close());

  const alone: readonly (readonly [what: string, guests: string])[] = [
    ['a whole network for an address', 'web: { ip: 10.0.0.0/8, port: g1 }'],
    ['the address of the host', 'web: { ip: 10.0.0.1, port: g1 }'],
    ['two guests with one address', 'web: { ip: 10.0.0.11, port: g1 }, db: { ip: 10.0.0.11, port: g2 }'],
    ['a hostile name', `'x"; touch pwned; #': { ip: 10.0.0.11, port: g1 }`],
  ];
  for (const backend of backends) {
    for (const [what, guests] of alone) {
      test(`${backend}: ${what}, and there is nobody else on the bridge: it is closed all the same`, async () => {
        const run = await tenants.fresh();
        const policy = tenants.host.file('policy.yaml', `guests: { ${guests} }\ndhcp: none\n`);
        const { code, stderr } = await run(['apply', '--policy', policy, '--no-confirm', '--backend', backend]);
        assert.equal(code, 1, stderr);
        const { rules } = JSON.parse((await run(['status', '-o', 'json'])).stdout);
        const ids = rules.map(({ id }: IdOf) => id);
        for (const port of ['g1', 'g2']) assert.ok(ids.includes(`port/${port}/closed/in`), `${port}: ${ids.join()}`);
        assert.equal(isWritten(tenants.host), false);
      });
    }
  }

  test('a port with a hostile name is named, and everybody else is applied', async (t) => {
    const run = await tenants.fresh();
    const { host } = tenants;
    const name = 'a";drop#';
    await mustRun(host.namespace, 'ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'other']);
    t.after(() => mustRun(host.namespace, 'ip', ['link', 'delete', 'other']));
    await mustRun(host.namespace, 'ip', ['link', 'set', name, 'master', 'br0']);
    const { code, stderr } = await run(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    assert.equal(code, 1);
    assert.match(stderr, /error\[bad-interface\]: the interface 'a";drop#', a port of 'br0', is left out/);
    const { rules } = JSON.parse((await run(['status', '-o', 'json'])).stdout);
    assert.ok(rules.some(({ id }: IdOf) => id === 'guest/web/in/source'));
  });

  test('a policy that is wrong as a whole changes nothing', async () => {
    const run = await tenants.fresh();
    const { host } = tenants;
    assert.equal((await run(['apply', '--policy', host.policy('ssh'), '--no-confirm'])).code, 0);
    const before = await host.digest();
    const wrong = host.file('wrong.yaml', policyText('ssh').replace('to: db', 'to: dbb'));
    const { code, stderr } = await run(['apply', '--policy', wrong, '--no-confirm']);
    assert.equal(code, 1);
    assert.match(stderr, /unknown-name/);
    assert.equal(await host.digest(), before);
  });
});

suite('what is sent to the host', { skip: needsRoot }, () => {
  test('from the guest it arrives; from a port that came later, in the name of the guest, it does not', async (t) => {
    const host = await LiveHost.build(['g1', 'g2']);
    t.after(() => host.close());
    const { namespace } = host;
    const [address, own] = ['10.0.0.11/24', '52:54:00:00:00:11'];
    await mustRun(namespace, 'ip', ['address', 'add', '10.0.0.1/24', 'dev', 'br0']);
    await mustRun(namespace, 'ip', ['link', 'set', 'br0', 'address', '52:54:00:00:00:01']);
    const policy = policyText('ssh').replace('allow:', 'allow:\n  - { from: web, to: host, service: ping }');
    await host.mustRun(['apply', '--policy', host.file('policy.yaml', policy), '--no-confirm']);
    await mustRun(namespace, 'ip', ['-batch', '-'], host.portLines('g9').join('\n'));
    const echos = async (port: string): Promise<number> => {
      const pid = await host.guest(port, address, own);
      const card = `e${port}-${namespace.pid}`;
      const there = (...argv: readonly string[]) => namespace.run('nsenter', ['-n', '-t', String(pid), '--', ...argv]);
      await there('ip', 'neighbour', 'add', '10.0.0.1', 'lladdr', '52:54:00:00:00:01', 'dev', card);
      await there('ping', '-c', '3', '-i', '0.2', '-W', '1', '10.0.0.1');
      await there('ip', 'address', 'delete', address, 'dev', card);
      const { stdout } = await mustRun(namespace, 'nstat', ['-asz', 'IcmpInEchos']);
      return Number(/IcmpInEchos\s+(\d+)/.exec(stdout)?.[1]);
    };
    const before = await echos('g1');
    assert.ok(before > 0);
    assert.equal(await echos('g9'), before);
  });
});
