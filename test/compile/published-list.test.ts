// The two-bridge example compiles to the published list: the same numbers, ports, directions, verdicts and meanings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { ruleTable } from '../../src/cli/rule-table.ts';
import { type IpSet, printIpSet, unionIps } from '../../src/model/ip-set.ts';
import { type Check, type Flow, type ListRule, type Place, rulesOf } from '../../src/model/rule-list.ts';
import { compiledFrom, example } from '../support/compiled.ts';
import { assertGolden } from '../yaml/golden.ts';

/**
 * br6 is kali3, kali4, kali5; br4 is kali2; ext is the host's 192.168.50.1 and lamp. `own` is the guest behind the port
 * with its MAC. A connection is written FROM -> TO service; several share one number at a border port or at the host.
 */
const rows: readonly (readonly [number: number, port: string, direction: string, verdict: string, meaning: string])[] =
  [
    [2, 'vk63', 'out', 'DENY', 'destination not kali3'],
    [3, 'vk64', 'out', 'DENY', 'destination not kali4'],
    [4, 'vk65', 'out', 'DENY', 'destination not kali5'],
    [5, 'vk42', 'out', 'DENY', 'destination not kali2'],
    [6, 'vk63', 'out', 'DENY', 'source is kali3'],
    [7, 'vk64', 'out', 'DENY', 'source is kali4'],
    [8, 'vk65', 'out', 'DENY', 'source is kali5'],
    [9, 'vk42', 'out', 'DENY', 'source is kali2'],
    [10, 'vk63', 'in', 'DENY', 'source not kali3 52:54:00:b1:5d:1f'],
    [11, 'vk64', 'in', 'DENY', 'source not kali4 52:54:00:0c:6e:34'],
    [12, 'vk65', 'in', 'DENY', 'source not kali5 52:54:00:d7:1a:45'],
    [13, 'vk42', 'in', 'DENY', 'source not kali2 52:54:00:f2:a4:8d'],
    [15, 'vethb2', 'out', 'DENY', 'source not br6'],
    [16, 'vethb2', 'out', 'DENY', 'destination not ext or br4'],
    [17, 'vethb1', 'out', 'DENY', 'source not ext or br4'],
    [18, 'vethb1', 'out', 'DENY', 'destination not br6'],
    [19, 'vmh1', 'out', 'DENY', 'source not guests'],
    [20, 'vmh1', 'out', 'DENY', 'destination not ext'],
    [22, 'vethb2', 'in', 'DENY', 'destination not br6'],
    [23, 'vethb2', 'in', 'DENY', 'source not ext or br4'],
    [24, 'vethb1', 'in', 'DENY', 'source not br6'],
    [25, 'vethb1', 'in', 'DENY', 'destination not ext or br4'],
    [26, 'vmh1', 'in', 'DENY', 'source not ext'],
    [27, 'vmh1', 'in', 'DENY', 'destination not guests'],
    [29, 'vmh2', 'host out', 'DENY', 'from the host: destination not guests'],
    [30, 'vmh2', 'host in', 'DENY', 'to the host or lamp: source not guests'],
    [32, 'vk63', 'in', 'ACCEPT', 'new: kali3 -> others ping'],
    [33, 'vk64', 'in', 'ACCEPT', 'new: kali4 -> others ping'],
    [34, 'vk64', 'in', 'ACCEPT', 'new: kali4 -> lamp http, kali4 -> lamp https'],
    [35, 'vk65', 'in', 'ACCEPT', 'new: kali5 -> others ping'],
    [36, 'vethb2', 'in', 'ACCEPT', 'new: br4 -> br6 ping, ext -> br6 ping'],
    [38, 'vk42', 'in', 'ACCEPT', 'new: kali2 -> others ping'],
    [39, 'vethb1', 'in', 'ACCEPT', 'new: br6 -> ext or br4 ping, kali4 -> lamp http, kali4 -> lamp https'],
    [40, 'vmh1', 'in', 'ACCEPT', 'new: ext -> guests ping'],
    [42, 'vmh2', 'host in', 'ACCEPT', 'new: guests -> ext ping, kali4 -> lamp http, kali4 -> lamp https'],
    [43, 'vmh2', 'host out', 'ACCEPT', 'new: ext -> guests ping'],
    [45, 'br0', 'host out', 'ACCEPT', 'new: the host -> anybody any'],
    [46, 'br0', 'host in', 'ACCEPT', 'new: admin -> the host any'],
    [47, 'all', '-', 'DENY', 'everything'],
  ];

const headings = [1, 14, 21, 28, 31, 37, 41, 44];

const addresses: Readonly<Record<string, string>> = {
  kali2: '192.168.50.12',
  kali3: '192.168.50.13',
  kali4: '192.168.50.14',
  kali5: '192.168.50.15',
  lamp: '192.168.0.37',
  admin: '192.168.0.10',
  br6: '192.168.50.13-192.168.50.15',
  ext: '192.168.0.37,192.168.50.1',
  guests: '192.168.50.12/30',
  'ext or br4': '192.168.0.37,192.168.50.1,192.168.50.12',
  'the host': '192.168.0.19,192.168.50.1',
  'the host or lamp': '192.168.0.19,192.168.0.37,192.168.50.1',
  anybody: '0.0.0.0/0',
};

const { list } = compiledFrom(example());

/** br4 has one guest only: at a guest port it is called by its name, at others by its bridge's. */
function nameOf(ips: IpSet, atGuestPort: boolean): string {
  const text = printIpSet(ips);
  const [name] = Object.entries(addresses).find(([, known]) => known === text) ?? [`(${text})`];
  return name === 'kali2' && !atGuestPort ? 'br4' : name;
}

function meaningOf(check: Check, atGuestPort: boolean): string {
  const name = (ips: IpSet) => nameOf(ips, atGuestPort);
  switch (check.kind) {
    case 'destination-not':
      return `${check.source === undefined ? '' : `from ${name(check.source)}: `}destination not ${name(check.ips)}`;
    case 'source-is':
      return `source is ${name(check.ips)}`;
    case 'source-not': {
      const to = check.destination === undefined ? '' : `to ${name(check.destination)}: `;
      const mac = check.own.mac?.toString(16).replace(/..(?!$)/g, '$&:');
      return `${to}source not ${name(check.own.ips)}${mac === undefined ? '' : ` ${mac}`}`;
    }
    case 'new-flows':
      return `new: ${check.flows.map((flow) => flowText(flow, atGuestPort)).join(', ')}`;
    default:
      return check.kind;
  }
}

/** A guest speaks with everybody but itself: with the other guests, the host and lamp. */
const everybody = '192.168.0.37,192.168.50.1,192.168.50.12/30';

function flowText({ source, destination, service }: Flow, atGuestPort: boolean): string {
  const isOthers = atGuestPort && printIpSet(unionIps(destination, source)) === everybody;
  const to = isOthers ? 'others' : nameOf(destination, atGuestPort);
  return `${nameOf(source, atGuestPort)} -> ${to} ${service.name}`;
}

function placeOf(place: Place): readonly [port: string, direction: string] {
  switch (place.kind) {
    case 'port':
      return [place.port, place.direction];
    case 'host':
      return [place.ifname, `host ${place.direction}`];
    case 'everywhere':
      return ['all', '-'];
  }
}

function rowOf(rule: ListRule): (typeof rows)[number] {
  const [port, direction] = placeOf(rule.place);
  const meaning = meaningOf(rule.check, port.startsWith('vk'));
  return [rule.number ?? 0, port, direction, rule.verdict.toUpperCase(), meaning];
}

test('numbers 2 to 47 are those of the published list', () => {
  const numbered = rulesOf(list).filter(({ number }) => number !== undefined);
  for (const [index, rule] of numbered.entries()) assert.deepEqual(rowOf(rule), rows[index]);
  assert.equal(numbered.length, rows.length);
});

test('the gaps in the numbers are headings', () => {
  const found = list.entries.filter(({ kind }) => kind === 'heading').map(({ number }) => number);
  assert.deepEqual(found, headings);
  const all = [...headings, ...rows.map(([number]) => number)].toSorted((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 47 }, (_, index) => index + 1),
  );
});

test('what has no number stands before rule 2, or between the address checks and the first ACCEPT', () => {
  const first = list.entries.findIndex(({ kind }) => kind === 'heading');
  const accepts = list.entries.findIndex(({ number }) => number === 31);
  const unnumbered = list.entries.flatMap((entry, index) =>
    entry.kind === 'rule' && entry.number === undefined ? [{ kind: entry.check.kind, index }] : [],
  );
  const before = unnumbered.filter(({ index }) => index < first);
  const between = unnumbered.filter(({ index }) => index > first && index < accepts);
  assert.ok(before.length > 0 && before.every(({ kind }) => kind === 'datagrams'));
  assert.equal(between.at(-1)?.kind, 'known-flow');
  assert.ok(between.slice(0, -1).every(({ kind }) => kind === 'datagrams'));
  assert.equal(before.length + between.length, unnumbered.length);
});

test('what the published list logs is logged: every DENY, and every ACCEPT towards guests', () => {
  for (const { number, log, text } of rulesOf(list)) {
    assert.equal(log, number !== undefined && number !== 45 && number !== 46, `RULE ${number} ${text}`);
  }
});

test('the table as the administrator reads it', () => {
  assertGolden(`${stripVTControlCharacters(ruleTable(list))}\n`, 'compile/two-bridge.txt');
});
