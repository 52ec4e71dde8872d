import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Diagnostic, printDiagnostic } from '../../src/model/diagnostic.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { ipAddresses, ipLinks, ipRoutes } from '../../src/topology/ip-json.ts';
import { hostFromIp, hostSpan, type LiveFacts } from '../../src/topology/live.ts';
import { printHost } from '../../src/topology/print-host.ts';
import { assertGolden, goldenText } from '../yaml/golden.ts';

/** `two-bridge` was recorded from the kernel; `odd` has what that kernel lacks: bonds, VLANs, dummies, strange names. */
const cases = ['two-bridge', 'odd'] as const;

function recorded(name: string): LiveFacts {
  const json = (file: string): unknown => JSON.parse(goldenText(`topology/${name}/${file}.json`));
  return {
    links: ipLinks.parse(json('links')),
    addresses: ipAddresses.parse(json('addresses')),
    routes: ipRoutes.parse(json('routes')),
    namespaces: [],
    sysctls: { 'net.ipv4.ip_forward': '1' },
  };
}

function commented(diagnostic: Diagnostic): string {
  return printDiagnostic(diagnostic).replace(/^/gm, '# ');
}

for (const name of cases) {
  test(`${name}: what ip and bridge print becomes a host`, () => {
    const { value, diagnostics } = hostFromIp(recorded(name), 'mytux');
    assert.ok(value !== undefined);
    assertGolden([...diagnostics.map(commented), printHost(value)].join('\n'), `topology/${name}/host.yaml`);
    assert.deepEqual(parseHost(printHost(value), 'host.yaml').diagnostics, [], 'it is a valid host file');
    for (const { span } of [...value.bridges, ...value.interfaces, ...value.routes]) assert.deepEqual(span, hostSpan);
  });
}

test('what is read again of the same devices has the same ports, and cables have other ones when their other ends left', () => {
  const facts = recorded('two-bridge');
  const portsIn = (some: LiveFacts) => hostFromIp(some, 'mytux').value?.bridges.flatMap(({ ports }) => ports) ?? [];
  const before = portsIn(facts);
  const cables = before.filter(({ peer }) => peer !== undefined);
  assert.ok(cables.length > 1);
  for (const [at, port] of portsIn(facts).entries()) assert.equal(port, before[at]);
  const [cable] = cables;
  const without = portsIn({ ...facts, links: facts.links.filter(({ ifname }) => ifname !== cable?.peer) });
  assert.equal(without.find(({ name }) => name === cable?.name)?.peer, undefined);
  assert.deepEqual(portsIn(facts), before);
});

test('a host name that cannot be used is replaced, and said', () => {
  const { value, diagnostics } = hostFromIp(recorded('two-bridge'), 'my tux\n');
  assert.equal(value?.name, 'host');
  assert.deepEqual(
    diagnostics.map(({ code, severity }) => [code, severity]),
    [['bad-name', 'warning']],
  );
});

test('output of another shape is refused, empty objects are passed over', () => {
  assert.equal(ipLinks.safeParse([{}, { ifindex: 1, ifname: 'lo', new_field: [1] }]).data?.length, 1);
  for (const wrong of [{}, 'x', null, [{ ifindex: '1', ifname: 'lo' }], [{ ifname: 'lo' }], [1], [null]]) {
    assert.equal(ipLinks.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});
