// Which domain of libvirt is put behind which port, and what is said when it does not fit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printDiagnostic } from '../../src/model/diagnostic.ts';
import { allPorts } from '../../src/model/host.ts';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import type { Mac } from '../../src/model/mac.ts';
import { parseMac, printMac } from '../../src/model/mac.ts';
import { withGuests } from '../../src/topology/guests.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import type { Domain, DomainCard, Network } from '../../src/topology/libvirt-xml.ts';
import { printHost } from '../../src/topology/print-host.ts';

const mac = (last: string): Mac => parseMac(`52:54:00:10:00:${last}`) ?? 0;
const tapMac = (last: string): Mac => parseMac(`fe:54:00:10:00:${last}`) ?? 0;
const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);

const plain = `
host: h
bridges:
  virbr0: { ports: { vnet0: {}, vnet1: {}, vnet2: {} } }
  br1: { ports: { vk1: {} } }
`;

function domain(name: string, ...cards: readonly Partial<DomainCard>[]): Domain {
  const full = cards.map((card) => ({ type: 'bridge', mac: mac('01'), filter: [], ...card }));
  return { name, uuid: `uuid of ${name}`, running: full.some(({ tap }) => tap !== undefined), cards: full };
}

type Case = {
  readonly domains: readonly Domain[];
  readonly networks?: readonly Network[];
  readonly agents?: ReadonlyMap<string, readonly { readonly mac: Mac; readonly ip: Ip }[]>;
  readonly taps?: ReadonlyMap<string, Mac>;
};

function merged({ domains, networks = [], agents = new Map(), taps = new Map() }: Case) {
  const host = parseHost(plain, 'h').value ?? assert.fail();
  const { value, diagnostics } = withGuests(host, { domains, networks, agents }, taps);
  assert.ok(value !== undefined);
  assert.deepEqual(
    parseHost(printHost(value), 'h').diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  );
  const ports = allPorts(value)
    .filter((port) => port.guest !== undefined || port.mac !== undefined)
    .map((port) => `${port.name} ${port.guest ?? '-'} ${port.mac === undefined ? '-' : printMac(port.mac)}`);
  return { value, ports, said: diagnostics.map(printDiagnostic).join('\n') };
}

test('a guest stands behind the port that is named as its tap', () => {
  const taps = new Map([
    ['vnet0', tapMac('01')],
    ['vk1', mac('77')],
  ]);
  const domains = [
    domain('web', { tap: 'vnet0' }, { tap: 'vk1', type: 'ethernet', mac: mac('02') }), // its tap was made by somebody else
    domain('off', { mac: mac('03') }),
    domain('elsewhere', { tap: 'vnet9', mac: mac('04') }),
  ];
  const { ports, said, value } = merged({ domains, taps });
  assert.deepEqual(ports, ['vnet0 web 52:54:00:10:00:01', 'vk1 web 52:54:00:10:00:02']);
  assert.equal(said, '');
  assert.deepEqual(
    value.guests.map(({ name, running, cards }) => [name, running, cards.map(({ bridge }) => bridge)]),
    [
      ['web', true, ['virbr0', 'br1']],
      ['off', false, [undefined]],
      ['elsewhere', true, [undefined]],
    ],
  );
});

test('two domains that claim one tap: nobody has it', () => {
  const { ports, said } = merged({
    domains: [domain('a', { tap: 'vnet0' }), domain('b', { tap: 'vnet0', mac: mac('02') })],
  });
  assert.deepEqual(ports, []);
  assert.equal(said, "<host>:1:1: error[port-conflict]: port 'vnet0' is claimed by 'a' and 'b'; it stays closed");
});

test('two cards with one MAC: both have their ports, and it is said', () => {
  const { ports, said } = merged({ domains: [domain('a', { tap: 'vnet0' }), domain('b', { tap: 'vnet1' })] });
  assert.equal(ports.length, 2);
  assert.match(said, /^<host>:1:1: warning\[duplicate-mac\]: the cards behind 'vnet0', 'vnet1' have the same MAC\n/);
});

test('a device of another MAC is not the tap that libvirt made', () => {
  const taps = new Map([['vnet0', tapMac('99')]]);
  const { ports, said } = merged({ domains: [domain('a', { tap: 'vnet0' })], taps });
  assert.deepEqual(ports, []);
  assert.match(said, /^<host>:1:1: warning\[mac-conflict\]: port 'vnet0' is not the one/);
});

test('names that no policy could have', () => {
  const names = ['x"; touch pwned; #', 'a\nb', '', 'ü', '__proto__', 'n'.repeat(1024 * 1024), '\u001b[2Jcleared'];
  for (const name of names) {
    const { ports, said, value } = merged({ domains: [domain(name, { tap: 'vnet0' })] });
    assert.deepEqual([ports, value.guests], [['vnet0 - 52:54:00:10:00:01'], []]);
    assert.match(said, /^<host>:1:1: warning\[bad-name\]: the domain '[^\n]{0,80}' behind port 'vnet0' has a name/);
    assert.match(said, /\n {2}hint: give it a name in the policy, with 'mac: 52:54:00:10:00:01'/);
    assert.ok(said.length < 500 && !said.includes('\u001b'));
  }
  assert.equal(merged({ domains: [domain('a\nb', { mac: mac('01') })] }).said, '', 'no port, no warning');
});

test("addresses: reservations of the card's network or bridge, its filter, what its own agent says of its own card", () => {
  const reservations = [{ mac: mac('01'), ip: ip('10.0.0.1') }];
  const networks: readonly Network[] = [
    { name: 'default', bridge: 'virbr0', reservations },
    { name: 'other', bridge: 'br9', reservations: [{ mac: mac('01'), ip: ip('10.9.0.1') }] },
    { name: 'planned', reservations: [{ mac: mac('05'), ip: ip('10.5.0.5') }] },
  ];
  const agents = new Map([
    [
      'uuid of a',
      [
        { mac: mac('01'), ip: ip('10.0.0.77') },
        { mac: mac('02'), ip: ip('10.0.0.78') },
      ],
    ],
  ]);
  const domains = [
    domain('a', { tap: 'vnet0', filter: [ip('10.0.0.2')] }),
    domain('b', { tap: 'vnet1', mac: mac('02') }),
    domain('c', { type: 'network', network: 'planned', mac: mac('05') }),
  ];
  const { value } = merged({ domains, networks, agents });
  assert.match(
    printHost(value),
    /reservation: \[ 10\.0\.0\.1 \], filter: \[ 10\.0\.0\.2 \], agent: \[ 10\.0\.0\.77 \] \}\n/,
  );
  assert.doesNotMatch(printHost(value), /10\.9\.0\.1|10\.0\.0\.78/);
  assert.match(printHost(value), / {2}c:\n {4}running: false\n {4}cards:\n.*reservation: \[ 10\.5\.0\.5 \]/);
});
