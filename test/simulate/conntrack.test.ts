import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import type { CtState, TcpFlag } from '../../src/model/match.ts';
import { arpRequest, echoReply, echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import { encodePacket, type Packet } from '../../src/packet/packet.ts';
import { Conntrack } from '../../src/simulate/conntrack.ts';
import { nextTcpState, type TcpState } from '../../src/simulate/tcp-state.ts';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const ether = { source: 1, destination: 2 };
const [a, b, c] = ['192.168.50.12', '192.168.50.13', '192.168.50.14'].map(ip) as [Ip, Ip, Ip];
const there = { ether, source: a, destination: b };
const back = { ether, source: b, destination: a };

const ping = echoRequest({ ...there, id: 7, sequence: 1 });
const pong = echoReply({ ...back, id: 7, sequence: 1 });
const dns = udpDatagram({ ...there, sport: 40_000, dport: 53 });
const answer = udpDatagram({ ...back, sport: 53, dport: 40_000 });
const gre: Packet = protocol(47, a, b);

function protocol(number: number, source: Ip, destination: Ip): Packet {
  const { payload } = udpDatagram({ ether, source, destination, sport: 0, dport: 0 });
  assert.ok(payload.kind === 'ip4');
  const transport = { kind: 'bytes', bytes: Uint8Array.of(1, 2, 3, 4) } as const;
  return {
    ether: { ...ether, type: 0x0800 },
    payload: { ...payload, ip: { ...payload.ip, protocol: number }, transport },
  };
}

const tcp = (...flags: readonly TcpFlag[]) => tcpSegment({ ...there, sport: 40_000, dport: 80, flags });
const tcpBack = (...flags: readonly TcpFlag[]) => tcpSegment({ ...back, sport: 80, dport: 40_000, flags });

/** An ICMP error that quotes a packet. */
function error(about: Packet, source: Ip, destination: Ip, type = 3): Packet {
  const { payload } = echoRequest({ ether, source, destination, id: 0, sequence: 0 });
  assert.ok(payload.kind === 'ip4');
  const data = encodePacket(about).subarray(14, 14 + 28);
  return {
    ether: { ...ether, type: 0x0800 },
    payload: { ...payload, transport: { kind: 'icmp', type, code: 1, rest: 0, data } },
  };
}

/**
 * One traversal of one bridge: `passes` reaches POSTROUTING or a socket, and is confirmed there; `dies` is dropped in
 * FORWARD. A packet over two bridges makes two traversals.
 */
type Step = readonly [seconds: number, what: 'passes' | 'dies', packet: Packet, state: CtState];

const stories: Readonly<Record<string, readonly Step[]>> = {
  'a ping over two bridges is NEW on both; the answer and what follows are ESTABLISHED': [
    [0, 'passes', ping, 'new'],
    [0, 'passes', ping, 'new'],
    [0, 'passes', pong, 'established'],
    [0, 'passes', pong, 'established'],
    [1, 'passes', ping, 'established'],
    [1, 'passes', ping, 'established'],
  ],
  'dropped on the first bridge: nobody remembers it': [
    [0, 'dies', ping, 'new'],
    [0, 'passes', pong, 'invalid'],
    [0, 'dies', ping, 'new'],
  ],
  'dropped on the second bridge: an UNREPLIED entry stays, and a retry is NEW on both': [
    [0, 'passes', ping, 'new'],
    [0, 'dies', ping, 'new'],
    [1, 'passes', ping, 'new'],
    [1, 'dies', ping, 'new'],
  ],
  'the same flow from any other port is ESTABLISHED: the entry knows no interface': [
    [0, 'passes', dns, 'new'],
    [0, 'passes', answer, 'established'],
    [0, 'dies', dns, 'established'],
  ],
  'another port, another address, another protocol: another flow': [
    [0, 'passes', dns, 'new'],
    [0, 'passes', answer, 'established'],
    [0, 'passes', udpDatagram({ ...there, sport: 40_001, dport: 53 }), 'new'],
    [0, 'passes', udpDatagram({ ...there, destination: c, sport: 40_000, dport: 53 }), 'new'],
    [0, 'passes', tcpSegment({ ...there, sport: 40_000, dport: 53, flags: ['syn'] }), 'new'],
  ],
  'an echo answers its own identifier only': [
    [0, 'passes', ping, 'new'],
    [0, 'passes', echoReply({ ...back, id: 8, sequence: 1 }), 'invalid'],
    [0, 'passes', echoReply({ ...back, id: 7, sequence: 9 }), 'established'],
  ],
  'errors about a flow are RELATED at every hop, from whomever': [
    [0, 'passes', dns, 'new'],
    [0, 'passes', error(dns, b, a), 'related'],
    [0, 'passes', error(dns, c, a), 'related'],
    [0, 'passes', error(dns, c, a, 11), 'related'],
    [0, 'passes', error(answer, c, b, 5), 'related'],
    [1, 'passes', dns, 'new'], // an error is no answer
  ],
  'errors about nothing, or to somebody else than the sender of what they quote, are INVALID': [
    [0, 'passes', error(dns, b, a), 'invalid'],
    [0, 'passes', dns, 'new'],
    [0, 'passes', error(dns, a, c), 'invalid'],
    [0, 'passes', error(tcp('syn'), b, a), 'invalid'],
  ],
  'answers without questions are INVALID, and so are messages that begin nothing': [
    [0, 'passes', pong, 'invalid'],
    [0, 'passes', icmp(14), 'invalid'],
    [0, 'passes', icmp(9), 'invalid'], // router advertisement
    [0, 'passes', icmp(13), 'new'],
    [0, 'passes', icmp(17), 'new'],
  ],
  'other protocols are flows between two addresses': [
    [0, 'passes', gre, 'new'],
    [0, 'passes', protocol(47, b, a), 'established'],
    [0, 'passes', gre, 'established'],
    [0, 'passes', protocol(50, a, b), 'new'],
  ],
  'a ping is forgotten after 30 s without one': [
    [0, 'passes', ping, 'new'],
    [0, 'passes', pong, 'established'],
    [29, 'passes', ping, 'established'],
    [58, 'passes', ping, 'established'],
    [88, 'passes', ping, 'new'],
  ],
  'a datagram is forgotten after 30 s, a conversation after 120 s': [
    [0, 'passes', dns, 'new'],
    [30, 'passes', answer, 'new'],
    [31, 'passes', dns, 'established'],
    [150, 'passes', dns, 'established'],
    [270, 'passes', dns, 'new'],
  ],
  'a TCP session: NEW on both bridges, then ESTABLISHED to its end': [
    [0, 'passes', tcp('syn'), 'new'],
    [0, 'passes', tcp('syn'), 'new'],
    [0, 'passes', tcpBack('syn', 'ack'), 'established'],
    [0, 'passes', tcpBack('syn', 'ack'), 'established'],
    [0, 'passes', tcp('ack'), 'established'],
    [0, 'passes', tcp('ack'), 'established'],
    [1, 'passes', tcp('ack', 'psh'), 'established'],
    [2, 'passes', tcp('fin', 'ack'), 'established'],
    [2, 'passes', tcpBack('fin', 'ack'), 'established'],
    [2, 'passes', tcp('ack'), 'established'],
  ],
  'a refused connection is forgotten at the first bridge that its answer crosses': [
    [0, 'passes', tcp('syn'), 'new'],
    [0, 'passes', tcp('syn'), 'new'],
    [0, 'passes', tcpBack('rst', 'ack'), 'established'],
    [0, 'passes', tcpBack('rst', 'ack'), 'invalid'],
    [0, 'passes', tcp('syn'), 'new'],
  ],
  'the middle of an unknown TCP flow is NEW (tcp_loose is 1), impossible flags are INVALID': [
    [0, 'dies', tcp('ack'), 'new'],
    [0, 'dies', tcp('ack', 'psh'), 'new'],
    [0, 'dies', tcp('fin', 'ack'), 'invalid'],
    [0, 'dies', tcp('rst'), 'invalid'],
    [0, 'dies', tcp('syn', 'ack'), 'invalid'],
    [0, 'dies', tcp('syn', 'fin'), 'invalid'],
    [0, 'dies', tcp(), 'invalid'],
    [0, 'dies', tcp('fin', 'psh', 'urg'), 'invalid'],
    [0, 'dies', tcp('syn', 'urg'), 'new'],
    [0, 'dies', tcp('syn', 'ecn', 'cwr'), 'new'],
  ],
  'ARP has no connections': [[0, 'passes', arpRequest({ ether, source: a, destination: b }), 'untracked']],
};

function icmp(type: number): Packet {
  const { payload } = ping;
  assert.ok(payload.kind === 'ip4' && payload.transport.kind === 'icmp');
  return { ...ping, payload: { ...payload, transport: { ...payload.transport, type } } };
}

for (const [story, steps] of Object.entries(stories)) {
  test(story, () => {
    const conntrack = new Conntrack();
    for (const [index, [seconds, what, packet, state]] of steps.entries()) {
      const connection = conntrack.track(packet, seconds * 1_000_000);
      assert.equal(connection.state, state, `step ${index + 1}`);
      if (what === 'passes') conntrack.confirm(connection);
    }
  });
}

test('the stories reach every state', () => {
  const states = new Set(Object.values(stories).flatMap((steps) => steps.map(([, , , state]) => state)));
  assert.deepEqual(states, new Set(['new', 'established', 'related', 'invalid', 'untracked']));
});

test('an entry is there once it is confirmed, and once only', () => {
  const conntrack = new Conntrack();
  const first = conntrack.track(ping, 0);
  assert.equal(conntrack.size, 0);
  conntrack.confirm(first);
  conntrack.confirm(first);
  conntrack.confirm(conntrack.track(ping, 0));
  conntrack.confirm(conntrack.track(pong, 0));
  assert.equal(conntrack.size, 1);
});

test('two first packets at once: the second finds the place taken', () => {
  const conntrack = new Conntrack();
  const [first, second] = [conntrack.track(ping, 0), conntrack.track(ping, 0)];
  conntrack.confirm(first);
  conntrack.confirm(second);
  assert.equal(conntrack.size, 1);
});

test('an error of our own belongs to the flow that it is about, and confirms nothing', () => {
  const conntrack = new Conntrack();
  const connection = conntrack.track(dns, 0);
  const own = Conntrack.errorAbout({ connection });
  assert.equal(own?.state, 'related');
  if (own !== undefined) conntrack.confirm(own);
  assert.equal(conntrack.size, 0);
  assert.equal(Conntrack.errorAbout({}), undefined);
});

/** tcp_conntracks, the cells that a handshake, a refusal and an end go through, and some that they must not. */
const tcpRows: readonly (readonly [
  state: TcpState,
  direction: 'original' | 'reply',
  flags: readonly TcpFlag[],
  next: TcpState | 'invalid' | 'ignore',
])[] = [
  ['none', 'original', ['syn'], 'syn-sent'],
  ['none', 'original', ['ack'], 'established'],
  ['none', 'original', ['syn', 'ack'], 'invalid'],
  ['none', 'reply', ['syn'], 'invalid'],
  ['syn-sent', 'original', ['syn'], 'syn-sent'],
  ['syn-sent', 'reply', ['syn', 'ack'], 'syn-received'],
  ['syn-sent', 'reply', ['syn'], 'syn-sent-2'],
  ['syn-sent', 'reply', ['rst', 'ack'], 'close'],
  ['syn-sent', 'reply', ['ack'], 'ignore'],
  ['syn-sent', 'original', ['ack'], 'invalid'],
  ['syn-received', 'original', ['ack'], 'established'],
  ['syn-received', 'original', ['syn'], 'ignore'],
  ['syn-received', 'reply', ['syn', 'ack'], 'ignore'],
  ['established', 'original', ['ack'], 'established'],
  ['established', 'reply', ['ack'], 'established'],
  ['established', 'original', ['syn', 'ack'], 'invalid'],
  ['established', 'original', ['fin', 'ack'], 'fin-wait'],
  ['fin-wait', 'reply', ['ack'], 'close-wait'],
  ['fin-wait', 'reply', ['fin', 'ack'], 'last-ack'],
  ['close-wait', 'reply', ['fin', 'ack'], 'last-ack'],
  ['last-ack', 'original', ['ack'], 'time-wait'],
  ['time-wait', 'original', ['syn'], 'syn-sent'],
  ['established', 'original', ['rst'], 'close'],
  ['established', 'reply', ['rst'], 'close'],
  ['established', 'original', [], 'invalid'],
  ['established', 'original', ['syn', 'rst'], 'invalid'],
  ['established', 'original', ['psh', 'ack'], 'established'],
];

test('the TCP table, cell by cell', () => {
  for (const [state, direction, flags, next] of tcpRows) {
    assert.equal(nextTcpState(state, direction, flags), next, `${state}, ${direction} ${flags.join(' ')}`);
  }
});
