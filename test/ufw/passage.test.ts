// Rules and a first packet of SSH: does it come through? The client is 10.0.0.5 by eth0, or nobody in particular.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseIp } from '../../src/model/ip.ts';
import { type Knock, type Passage, passageOf } from '../../src/ufw/passage.ts';
import { rulesOf } from '../../src/ufw/rules.ts';
import { assertPrompt } from '../support/slowness.ts';

const ip = (text: string) => {
  const found = parseIp(text);
  assert.ok(found);
  return found;
};

const known: Knock = { saddr: ip('10.0.0.5'), daddr: ip('10.0.0.1'), iif: 'eth0', dport: 22 };
const anyone: Knock = { dport: 22 };

type Kind = Passage['kind'];

/** Rules of INPUT, whose policy is DROP; then what they mean for the client, and for whoever comes. */
const rows: readonly (readonly [rules: string, client: Kind, someone: Kind])[] = [
  ['', 'blocked', 'blocked'],
  ['-j ACCEPT', 'passes', 'passes'],
  ['-p tcp --dport 22 -j ACCEPT', 'passes', 'passes'],
  ['-p tcp -m tcp --dport 22 -j ACCEPT', 'passes', 'passes'],
  ['-p 6 --destination-port ssh --jump ACCEPT', 'passes', 'passes'],
  ['-p udp --dport 22 -j ACCEPT', 'blocked', 'blocked'],
  ['-p tcp --dport 23 -j ACCEPT', 'blocked', 'blocked'],
  ['-p tcp ! --dport 23 -j ACCEPT', 'passes', 'passes'],
  ['-p tcp --dport 20:22 -j ACCEPT', 'passes', 'passes'],
  ['-p tcp --dport :21 -j ACCEPT', 'blocked', 'blocked'],
  ['-p tcp -m multiport --dports 80,443,20:25 -j ACCEPT', 'passes', 'passes'],
  ['-p tcp -m multiport --dports 80,443 -j ACCEPT', 'blocked', 'blocked'],
  ['-p tcp --dport 22 --sport 1024:65535 -j ACCEPT', 'passes', 'passes'],
  ['-p tcp --dport 22 --sport 50000 -j ACCEPT', 'partly', 'partly'],
  ['-p tcp --dport 22 --sport 22 -j ACCEPT', 'blocked', 'blocked'],
  // where it comes from
  ['-s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT', 'passes', 'partly'],
  ['-s 10.0.0.0/255.0.0.0 -j ACCEPT', 'passes', 'partly'],
  ['-s 192.168.0.0/16 -j ACCEPT', 'blocked', 'partly'],
  ['! -s 192.168.0.0/16 -j ACCEPT', 'passes', 'partly'],
  ['-s ! 192.168.0.0/16 -j ACCEPT', 'passes', 'partly'],
  ['-s 192.168.0.0/16,10.0.0.5 -j ACCEPT', 'passes', 'partly'],
  ['-s 0.0.0.0/0 -j ACCEPT', 'passes', 'passes'],
  ['-s admin.example.org -j ACCEPT', 'unsure', 'unsure'],
  ['-d 10.0.0.1 -j ACCEPT', 'passes', 'partly'],
  ['-d 10.0.0.2 -j ACCEPT', 'blocked', 'partly'],
  ['-i eth0 -j ACCEPT', 'passes', 'partly'],
  ['-i eth+ -j ACCEPT', 'passes', 'partly'],
  ['-i eth1 -j ACCEPT', 'blocked', 'partly'],
  ['! -i eth1 -j ACCEPT', 'passes', 'partly'],
  ['-i lo -j ACCEPT', 'blocked', 'blocked'],
  ['-o eth0 -j ACCEPT', 'blocked', 'blocked'],
  // behind the target stands one more match
  ['-p tcp --dport 22 -j ACCEPT -m mac --mac-source 52:54:00:00:00:01', 'unsure', 'unsure'],
  ['-p tcp --dport 22 -j ACCEPT -m addrtype --src-type LOCAL', 'unsure', 'unsure'],
  ['-j own -m mac --mac-source 52:54:00:00:00:01', 'unsure', 'unsure'],
  ['-j REJECT --reject-with tcp-reset', 'blocked', 'blocked'],
  ['-j NFQUEUE --queue-num 3', 'blocked', 'blocked'],
  // what lets in after a knock, or by a count
  ['-m recent --rcheck --name KNOCK -j ACCEPT', 'unsure', 'unsure'],
  ['-m recent --rcheck --name KNOCK -j own', 'unsure', 'unsure'],
  ['-m recent --rcheck --hitcount 1 --name KNOCK -j ACCEPT', 'unsure', 'unsure'],
  ['-m recent ! --rcheck --name KNOCK -j DROP; -j ACCEPT', 'unsure', 'unsure'],
  ['-m recent --rcheck --name BAD -j DROP; -j ACCEPT', 'unsure', 'unsure'],
  ['-m recent --update --seconds 60 --hitcount 4 -j ACCEPT', 'blocked', 'blocked'],
  ['-m connlimit --connlimit-above 100 -j ACCEPT', 'blocked', 'blocked'],
  ['-m connlimit --connlimit-above 100 -j own', 'blocked', 'blocked'],
  ['-m quota --quota 0 -j ACCEPT', 'unsure', 'unsure'],
  ['-m statistic --mode random --probability 0.001 -j ACCEPT', 'unsure', 'unsure'],
  ['-j SYNPROXY; -j ACCEPT', 'unsure', 'unsure'],
  // what kind of packet it is
  ['-m conntrack --ctstate NEW -j ACCEPT', 'passes', 'passes'],
  ['-m state --state RELATED,ESTABLISHED -j ACCEPT', 'blocked', 'blocked'],
  ['-m conntrack ! --ctstate INVALID -j ACCEPT', 'passes', 'passes'],
  ['-p tcp --syn -j ACCEPT', 'passes', 'passes'],
  ['-p tcp ! --syn -j ACCEPT', 'blocked', 'blocked'],
  ['-p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT', 'passes', 'passes'],
  ['-p tcp --tcp-flags ALL NONE -j ACCEPT', 'blocked', 'blocked'],
  ['-m addrtype --dst-type LOCAL -j ACCEPT', 'passes', 'passes'],
  ['-m addrtype --dst-type BROADCAST -j ACCEPT', 'blocked', 'blocked'],
  ['-m rt --rt-type 0 -j ACCEPT', 'blocked', 'blocked'],
  ['-p icmp --icmp-type echo-request -j ACCEPT', 'blocked', 'blocked'],
  // order
  ['-p tcp --dport 22 -j DROP; -j ACCEPT', 'blocked', 'blocked'],
  ['-s 10.0.0.5 -j DROP; -j ACCEPT', 'blocked', 'partly'],
  ['-s 10.0.0.6 -j REJECT; -j ACCEPT', 'passes', 'partly'],
  ['-j ACCEPT; -j DROP', 'passes', 'passes'],
  // how often
  ['-m limit --limit 3/min -j ACCEPT', 'limited', 'limited'],
  ['-m recent --set; -m recent --update --seconds 30 --hitcount 6 -j DROP; -j ACCEPT', 'limited', 'limited'],
  ['-p tcp -m connlimit --connlimit-above 3 -j REJECT; -j ACCEPT', 'limited', 'limited'],
  ['-m limit --limit 3/min -j back; -j ACCEPT', 'passes', 'passes'],
  ['-m limit --limit 3/min -j RETURN; -j ACCEPT', 'blocked', 'blocked'],
  ['-m limit --limit 1000/s -j DROP; -j ACCEPT', 'blocked', 'blocked'],
  ['-m hashlimit --hashlimit-above 6/min --hashlimit-name a -j DROP; -j ACCEPT', 'limited', 'limited'],
  ['-m hashlimit --hashlimit-upto 6/min --hashlimit-name a -j ACCEPT', 'limited', 'limited'],
  ['-m connlimit --connlimit-upto 5 --connlimit-mask 32 -j ACCEPT', 'limited', 'limited'],
  ['-m connlimit --connlimit-above 0 -j REJECT; -j ACCEPT', 'unsure', 'unsure'],
  ['-s 10.0.0.0/8 -m recent --update --hitcount 6 -j DROP; -s 10.0.0.0/8 -j ACCEPT', 'limited', 'partly'],
  ['-m limit --limit 3/min -j LOG --log-prefix "-j ACCEPT "; -j DROP', 'blocked', 'blocked'],
  ['-m limit --limit 3/min -j LOG; -j ACCEPT', 'passes', 'passes'],
  // what is not understood
  ['-m set --match-set bad src -j DROP; -j ACCEPT', 'unsure', 'unsure'],
  ['-m set --match-set good src -j ACCEPT', 'unsure', 'unsure'],
  ['-m set --match-set bad src -p udp -j DROP; -j ACCEPT', 'passes', 'passes'],
  ['-m geoip --source-country XX -j LOG; -j ACCEPT', 'passes', 'passes'],
  ['-p tcp --dport 22 -j ACCEPT -m comment --comment "dapp_Open SSH -j DROP"', 'passes', 'passes'],
  // chains of somebody's own
  ['-j own; -j DROP', 'passes', 'passes'],
  ['-j back; -j ACCEPT', 'passes', 'passes'],
  ['-g back; -j ACCEPT', 'blocked', 'blocked'],
  ['-g own', 'passes', 'passes'],
  ['-j NOWHERE; -j ACCEPT', 'passes', 'passes'],
  ['-j circle; -j ACCEPT', 'unsure', 'unsure'],
];

const chains = [
  ':own - [0:0]',
  ':back - [0:0]',
  ':circle - [0:0]',
  '-A own -p tcp --dport 22 -j ACCEPT',
  '-A back -p tcp --dport 22 -j RETURN',
  '-A back -j DROP',
  '-A circle -s 10.0.0.0/8 -j ACCEPT',
  '-A circle -j circle',
];

function passage(rules: string, knock: Knock): Passage {
  const lines = rules.split('; ').flatMap((rule) => (rule === '' ? [] : [`-A INPUT ${rule}`]));
  return passageOf(rulesOf(4, [['*filter', ':INPUT DROP [0:0]', ...chains, ...lines, 'COMMIT'].join('\n')]), knock);
}

suite('through INPUT with policy DROP', () => {
  for (const [rules, client, someone] of rows) {
    if (rules.includes('circle')) continue;
    test(rules === '' ? '(no rules)' : rules, () => {
      assert.deepEqual([passage(rules, known).kind, passage(rules, anyone).kind], [client, someone]);
    });
  }
});

test('chains that run in circles come to an end, and count as not understood', () => {
  assert.equal(
    passage('-s 172.16.0.0/12 -j ACCEPT; -j circle', { ...known, saddr: ip('192.168.0.1') }).kind,
    'blocked',
  );
});

test('every kind occurred for both', () => {
  for (const column of [1, 2]) {
    const kinds = new Set(rows.map((row) => row[column]));
    assert.deepEqual([...kinds].sort(), ['blocked', 'limited', 'partly', 'passes', 'unsure']);
  }
});

const texts: readonly (readonly [text: string, kind: Kind])[] = [
  ['*filter\n:INPUT ACCEPT [0:0]\nCOMMIT', 'passes'],
  ['*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT', 'blocked'],
  ['*filter\n-P INPUT DROP\n-A INPUT -j DROP\n-I INPUT -j ACCEPT\nCOMMIT', 'passes'],
  ['*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n-I INPUT 2 -j DROP\nCOMMIT', 'passes'],
  ['*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n-F INPUT\nCOMMIT', 'blocked'],
  [
    '*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j DROP',
    'blocked',
  ],
  ['*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*mangle\n:INPUT DROP [0:0]\nCOMMIT', 'blocked'],
  // where the kernel takes such a rule at all, it drops
  ['*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*nat\n-A PREROUTING -j DROP\nCOMMIT', 'blocked'],
  ['*nat\n-A PREROUTING -p tcp --dport 22 -j DNAT --to-destination 10.0.0.9\nCOMMIT', 'unsure'],
  ['*nat\n-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2222\nCOMMIT', 'unsure'],
  ['*raw\n-A PREROUTING -p tcp --dport 22 -j CT --notrack\nCOMMIT', 'unsure'],
  ['*security\n-A INPUT -p tcp --dport 22 -j DROP\nCOMMIT', 'blocked'],
  ['*nat\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT', 'passes'],
  [
    '*raw\n-A PREROUTING -p tcp --dport 22 -j NOTRACK\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT',
    'unsure',
  ],
  ['[5:300] -A INPUT -j ACCEPT\n:INPUT DROP [0:0]', 'passes'],
  ['*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n-A own -j ACCEPT\n:own - [0:0]\n-A INPUT -j own\nCOMMIT', 'blocked'],
  ['no rules at all\n\x00\xff*filter', 'passes'],
];

suite('whole texts', () => {
  for (const [text, kind] of texts) {
    test(JSON.stringify(text), () => assert.equal(passageOf(rulesOf(4, [text]), known).kind, kind));
  }
});

test('thousands of rules that may hold do not multiply', () => {
  const lines = Array.from(
    { length: 5_000 },
    (_, at) => `-A INPUT -s 10.${at >> 8}.${at & 255}.0/24 -m limit --limit 1/s -j own`,
  );
  const text = [
    '*filter',
    ':INPUT DROP [0:0]',
    ':own - [0:0]',
    '-A own -p tcp --dport 22 -j RETURN',
    ...lines,
    '-A INPUT -j ACCEPT',
  ];
  const begun = performance.now();
  assert.equal(passageOf(rulesOf(4, [text.join('\n')]), anyone).kind, 'passes');
  assertPrompt(performance.now() - begun, 2_000);
});
