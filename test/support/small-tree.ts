// A small tree for golden files: one guest port, one permission, as each back end would have it.
import { exactly } from '../../src/model/field.ts';
import {
  ctState,
  field,
  type LimitMatch,
  lookup,
  type Match,
  notLookup,
  type TcpFlagsMatch,
} from '../../src/model/match.ts';
import {
  accept,
  type Chain,
  count,
  drop,
  goTo,
  jump,
  log,
  type Ruleset,
  returnToCaller,
} from '../../src/model/ruleset.ts';
import { between, ips } from './rule-rows.ts';

const mac = exactly(0x525400000012);
const limit: LimitMatch = { kind: 'limit', packets: 20, per: 'second', burst: 100 };
const synOnly: TcpFlagsMatch = {
  kind: 'tcp-flags',
  negated: false,
  mask: ['fin', 'syn', 'rst', 'ack'],
  flags: ['syn'],
};
const isTcp = field('meta l4proto', exactly(6));

function filter(hook: 'prerouting' | 'forward' | 'input', priority: number, policy: 'accept' | 'drop' = 'accept') {
  return { type: 'filter', hook, priority, policy } as const;
}

const bridgeChains: readonly Chain[] = [
  {
    name: 'rule_2',
    rules: [
      { body: [limit, log('RULE 2 -- DENY ')], comment: 'guest-source web' },
      { body: [count, drop], comment: 'guest-source web' },
    ],
  },
  {
    name: 'in_vk63',
    rules: [
      {
        body: [
          field('ether type', exactly(0x800)),
          notLookup('own', 'iifname', 'ether saddr', 'ip saddr'),
          goTo('rule_2'),
        ],
      },
      { body: [field('arp operation', between(1, 2)), accept] },
    ],
  },
  {
    name: 'prerouting',
    base: filter('prerouting', -300),
    rules: [
      { body: [lookup('own', 'iifname', 'ether saddr', 'ip saddr'), accept] },
      { body: [{ kind: 'vmap', fields: ['iifname'], map: 'ports' }] },
      { body: [field('iifname', 'vk*', 'tap*'), drop] },
    ],
  },
];

export const smallNft: Ruleset = {
  backend: 'nft',
  tables: [
    {
      family: 'bridge',
      name: 'bk',
      sets: [
        {
          name: 'own',
          types: ['ifname', 'ether_addr', 'ipv4_addr'],
          interval: false,
          elements: ['192.168.50.13', '192.168.50.14', '192.168.50.15'].map((ip) => ['vk63', mac, ips(ip)]),
        },
      ],
      maps: [
        {
          name: 'ports',
          types: ['ifname'],
          interval: false,
          elements: [{ key: ['vk63'], verdict: { kind: 'goto', chain: 'in_vk63' } }],
        },
      ],
      chains: bridgeChains,
    },
    {
      family: 'ip',
      name: 'bk',
      sets: [
        {
          name: 'lan',
          types: ['ipv4_addr'],
          interval: true,
          elements: [[ips('10.0.0.0/8')], [ips('192.168.50.1-192.168.50.9')]],
        },
      ],
      maps: [],
      chains: [
        {
          name: 'forward',
          base: filter('forward', 0, 'drop'),
          rules: [
            { body: [ctState('established', 'related'), accept], comment: 'known flows' },
            {
              body: [
                lookup('lan', 'ip saddr'),
                isTcp,
                field('th dport', exactly(443), exactly(80)),
                synOnly,
                ctState('new'),
                accept,
              ],
              comment: 'allow lan web http',
            },
          ],
        },
      ],
    },
  ],
};

function physdev(end: 'in' | 'out', name: string): Match {
  return { kind: 'physdev', end, negated: false, name };
}

export const smallIptables: Ruleset = {
  backend: 'iptables',
  tables: [
    {
      family: 'ip',
      name: 'filter',
      sets: [],
      maps: [],
      chains: [
        {
          name: 'FORWARD',
          base: filter('forward', 0),
          rules: [{ body: [field('iifname', 'virbr6'), jump('bk-forward')] }],
        },
        {
          name: 'bk-rule-2',
          rules: [
            { body: [limit, log('RULE 2 -- DENY ')], comment: "guest-source o'web" },
            { body: [drop], comment: "guest-source o'web" },
          ],
        },
        {
          name: 'bk-forward',
          rules: [
            {
              body: [physdev('in', 'vk63'), field('ip saddr', ips('192.168.50.13')), returnToCaller],
              comment: "guest-source o'web",
            },
            { body: [physdev('in', 'vk63'), jump('bk-rule-2')], comment: "guest-source o'web" },
            {
              body: [
                { kind: 'physdev-is', what: 'bridged', negated: false },
                physdev('out', 'vk63'),
                isTcp,
                field('th dport', exactly(443), exactly(80)),
                synOnly,
                ctState('new'),
                accept,
              ],
              comment: 'allow lan web http',
            },
          ],
        },
      ],
    },
  ],
};
