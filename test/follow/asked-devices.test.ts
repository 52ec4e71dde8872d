// Which devices the kernel is asked about, and when its answer is not enough.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { askedDevices } from '../../src/follow/asked-devices.ts';
import type { AnsweredLink } from '../../src/netlink/link-questions.ts';
import type { IpLink, IpRoute } from '../../src/topology/ip-json.ts';
import type { LiveFacts } from '../../src/topology/live.ts';

const links: readonly IpLink[] = [
  { ifindex: 2, ifname: 'br0', linkinfo: { info_kind: 'bridge' } },
  { ifindex: 3, ifname: 'eth0' },
  { ifindex: 4, ifname: 'v0', link: 'w0', linkinfo: { info_kind: 'veth' } },
  { ifindex: 5, ifname: 't0', linkinfo: { info_kind: 'tun' } },
];

function facts(...routes: readonly IpRoute[]): LiveFacts {
  return { links, addresses: [], routes, namespaces: [], sysctls: {} };
}

const port = { bridge: 2, hairpin: false, learning: true, isolated: false };

function tap(name: string, some: Partial<AnsweredLink> = {}): AnsweredLink {
  const mac = '02:00:00:00:00:01';
  return { index: 9, name, mac, isUp: true, what: { kind: 'tap', port }, addresses: [], ...some };
}

const here = facts();
const rows: readonly (readonly [
  what: string,
  wanted: string,
  before: LiveFacts,
  ...(readonly [name: string, answer: AnsweredLink | 'gone'])[],
])[] = [
  ['nothing changed', '', here],
  ['a port came', 't1 on br0', here, ['t1', tap('t1')]],
  ['one came, one went', 't1 on br0', here, ['t1', tap('t1')], ['t0', 'gone']],
  ['a tap before it joins', 't1', here, ['t1', tap('t1', { isUp: false, what: { kind: 'tap' } })]],
  ['a tap that is up elsewhere', 'ip', here, ['t1', tap('t1', { what: { kind: 'tap' } })]],
  ['its bridge is not known', 'ip', here, ['t1', tap('t1', { what: { kind: 'tap', port: { ...port, bridge: 7 } } })]],
  ['its bridge is none', 'ip', here, ['t1', tap('t1', { what: { kind: 'tap', port: { ...port, bridge: 3 } } })]],
  ['the bridge too', 'br0', here, ['br0', tap('br0', { what: { kind: 'bridge', stpState: 0 } })]],
  ['a card', 'not asked', here, ['eth0', tap('eth0')]],
  ['a cable', 'not asked', here, ['v0', 'gone']],
  ['a route leads over it', 'not asked', facts({ dst: 'default', dev: 't0' }), ['t0', 'gone']],
  [
    'one of its ways',
    'not asked',
    facts({ dst: 'default', nexthops: [{ dev: 'eth0' }, { dev: 't0' }] }),
    ['t0', 'gone'],
  ],
  ['a route leads elsewhere', '', facts({ dst: 'default', dev: 'eth0' }), ['t0', 'gone']],
  ['many', 'not asked', here, ...Array.from({ length: 33 }, (_, at) => [`t${at + 10}`, 'gone'] as const)],
];

suite('what the kernel itself is asked', () => {
  for (const [what, wanted, before, ...answers] of rows) {
    test(`${what}: ${wanted === '' ? 'nothing is there' : wanted}`, async () => {
      let isAsked = false;
      const devices = await askedDevices(before, new Set(answers.map(([name]) => name)), async () => {
        isAsked = true;
        return answers.map(([, answer]) => answer);
      });
      const said = devices?.map(({ ifname, master }) => (master === undefined ? ifname : `${ifname} on ${master}`));
      assert.equal(said?.join(', ') ?? (isAsked ? 'ip' : 'not asked'), wanted);
    });
  }

  test('nobody answers: it is for ip', async () => {
    assert.equal(await askedDevices(here, new Set(['t0']), () => Promise.resolve(undefined)), undefined);
  });
});
