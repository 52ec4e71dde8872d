// Texts of configuration files and rules -> what counts in them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answers, filesOf } from '../../src/doctor/answers.ts';
import { iptablesLogRules } from '../../src/doctor/iptables-log-rules.ts';
import { journaldSettings } from '../../src/doctor/journald-settings.ts';
import { nftLogRules } from '../../src/doctor/nft-log-rules.ts';
import { rsyslogConfig } from '../../src/doctor/rsyslog-config.ts';
import { ulogdConfig } from '../../src/doctor/ulogd-config.ts';

test('journald: the last drop-in by name counts, /etc hides the same name elsewhere', () => {
  const file = (path: string, text: string) => ({ path, text: `[Journal]\n${text}\n` });
  const rows: readonly (readonly [want: string, files: Parameters<typeof journaldSettings>[0]])[] = [
    ['auto true 7', []],
    ['none true 7', [file('/etc/systemd/journald.conf', '#Storage=auto\nStorage=none')]],
    ['none true 7', [file('/usr/lib/systemd/journald.conf', 'Storage=none')]],
    ['auto true 7', [file('/etc/systemd/journald.conf', ''), file('/usr/lib/systemd/journald.conf', 'Storage=none')]],
    [
      'volatile false 3',
      [
        file('/etc/systemd/journald.conf', 'Storage=none\nReadKMsg=yes'),
        file('/etc/systemd/journald.conf.d/20-b.conf', 'Storage=volatile'),
        file('/usr/lib/systemd/journald.conf.d/10-a.conf', 'Storage=persistent\nReadKMsg = 0\nMaxLevelStore=err'),
      ],
    ],
    [
      'auto true 5',
      [
        file('/etc/systemd/journald.conf.d/a.conf', 'MaxLevelStore=5'),
        file('/run/systemd/journald.conf.d/a.conf', 'MaxLevelStore=1\nReadKMsg=no'),
      ],
    ],
    ['auto true 7', [{ path: '/etc/systemd/journald.conf', text: '[Other]\nStorage=none\nMaxLevelStore=err\n' }]],
    ['auto true 7', [file('/etc/systemd/journald.conf', 'Storage=none\nStorage=')]],
  ];
  for (const [want, files] of rows) {
    const { storage, readKmsg, maxLevelStore } = journaldSettings(files);
    assert.equal(`${storage} ${readKmsg} ${maxLevelStore}`, want, JSON.stringify(files));
  }
});

test('rsyslog: inputs, targets and includes, old style and new', () => {
  const rows: readonly (readonly [text: string, inputs: string, targets: string, includes: string])[] = [
    ['module(load="imklog")', 'imklog', '', ''],
    ['module(load="imklog" permitNonKernelFacility="on")', 'imklog', '', ''],
    ['$ModLoad imklog.so', 'imklog', '', ''],
    ['$ModLoad /usr/lib/rsyslog/imjournal', 'imjournal', '', ''],
    ['#module(load="imklog")\n  # $ModLoad imkmsg', '', '', ''],
    ['module(load="imuxsock")', '', '', ''],
    ['kern.*\t\t\t-/var/log/kern.log', '', '/var/log/kern.log', ''],
    ['*.*;auth,authpriv.none -/var/log/syslog;RSYSLOG_FileFormat', '', '/var/log/syslog', ''],
    [':msg,contains,"[UFW " /var/log/ufw.log', '', '/var/log/ufw.log', ''],
    ['action(type="omfile" file="/var/log/a b.log")', '', '/var/log/a b.log', ''],
    ['kern.* action(type="omfile" file="/var/log/kern")', '', '/var/log/kern', ''],
    ['*.info;mail.none \\\n  /var/log/messages', '', '/var/log/messages', ''],
    ['$IncludeConfig /etc/rsyslog.d/*.conf', '', '', '/etc/rsyslog.d/*.conf'],
    ['include(file="/etc/r/*.conf" mode="optional")', '', '', '/etc/r/*.conf'],
    ['*.* @@192.0.2.1:514', '', '', ''],
  ];
  for (const [text, inputs, targets, includes] of rows) {
    const config = rsyslogConfig([{ path: '/etc/rsyslog.conf', text }]);
    assert.deepEqual(
      [[...config.kernelInputs.keys()].join(), config.targets.join(), config.includes.join()],
      [inputs, targets, includes],
      text,
    );
  }
});

test("rsyslog: 'stop' counts where it stands behind ufw's filter", () => {
  const rows: readonly (readonly [stops: boolean, text: string])[] = [
    [true, ':msg,contains,"[UFW " /var/log/ufw.log\n\n# so that\n& stop\n'],
    [true, ':msg,contains,"[UFW " /var/log/ufw.log\n& ~'],
    [false, ':msg,contains,"[UFW " /var/log/ufw.log\n#& stop'],
    [false, ':msg,contains,"other" /var/log/o.log\n& stop\n:msg,contains,"[UFW " /var/log/ufw.log\n'],
  ];
  for (const [stops, text] of rows) {
    assert.equal(rsyslogConfig([{ path: '/etc/rsyslog.d/20-ufw.conf', text }]).ufwStops, stops, text);
  }
});

test('ulogd: the groups and files of its stacks, not of sections that no stack uses', () => {
  const text = [
    '[global]',
    'stack=log2:NFLOG,base1:BASE,json1:JSON',
    '#stack=log1:NFLOG,emu1:LOGEMU',
    '[log1]\ngroup=9\n[log2]\ngroup=3 # of the rules',
    '[json1]\nsync=1\nfile="/var/log/j.json"\n[emu1]\nfile="/var/log/e.log"',
  ].join('\n');
  assert.deepEqual(ulogdConfig(text), { groups: [3], files: [{ path: '/var/log/j.json', sync: true }] });
  const usual = ulogdConfig('[global]\nstack=a:NFLOG,b:JSON\n[a]\n[b]\n');
  assert.deepEqual(usual, { groups: [0], files: [{ path: '/var/log/ulogd.json', sync: false }] });
});

test('nft: prefix, level, group and limit; tables of iptables are left to iptables', () => {
  const text = `table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		log prefix "of iptables"
	}
}
table inet fw {
	chain in {
		type filter hook input priority filter; policy drop;
		tcp dport 22 limit rate 3/minute burst 5 packets counter packets 7 bytes 9 log prefix "a log drop " level info flags all
		log prefix "to ulogd " group 5 drop
		counter packets 0 bytes 0 drop comment "log me"
	}
	chain early {
		type filter hook output priority raw - 10; policy accept;
		ip daddr 192.0.2.1 drop
	}
	chain kind {
		type filter hook output priority 0; policy accept;
		comment "drop"
	}
}
table bridge b {
	chain forward {
		type filter hook forward priority filter; policy accept;
		log
	}
}`;
  const { log, drops } = nftLogRules(text, new Set(['ip filter']));
  assert.deepEqual(
    log.map(({ family, chain, prefix, level, group, limit }) => [family, chain, prefix, level, group, limit]),
    [
      ['inet', 'in', 'a log drop ', 6, undefined, '3/minute burst 5'],
      ['inet', 'in', 'to ulogd ', 4, 5, undefined],
      ['bridge', 'forward', '', 4, undefined, undefined],
    ],
  );
  assert.deepEqual(drops, [{ name: 'inet fw early', priority: -310 }]);
});

test('iptables: what a limit hides is what came to the chain and was not logged', () => {
  const text = `*filter
:INPUT ACCEPT [0:0]
:OUTPUT DROP [0:0]
:ufw-logging-deny - [0:0]
:own - [0:0]
[30:900] -A INPUT -p udp -j ufw-logging-deny
[20:900] -A INPUT -p tcp -j ufw-logging-deny
[9:900] -A INPUT -j own
[8:64] -A ufw-logging-deny -m conntrack --ctstate INVALID -j RETURN
[12:900] -A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
[2:900] -A own -p tcp -m limit --limit 1/sec -j LOG --log-prefix "say \\"no\\" " --log-level 7
[2:900] -A own -j NFLOG --nflog-group 3 --nflog-prefix x
COMMIT
*raw
:OUTPUT ACCEPT [0:0]
[0:0] -A OUTPUT -o lo -j DROP
COMMIT
`;
  const { log, drops } = iptablesLogRules(text, 'iptables', 'ip');
  assert.deepEqual(
    log.map(({ chain, prefix, level, group, limit, sample }) => [chain, prefix, level, group, limit, sample]),
    [
      ['ufw-logging-deny', '[UFW BLOCK] ', 4, undefined, '3/min burst 10', { came: 42, logged: 12 }],
      ['own', 'say "no" ', 7, undefined, '1/sec', undefined],
      ['own', 'x', 4, 3, undefined, undefined],
    ],
  );
  assert.deepEqual(drops, [
    { name: 'ip raw OUTPUT', priority: -300 },
    { name: 'ip filter OUTPUT', priority: 0 },
  ]);
});

test('no content of a file can pass for a heading of the answer', () => {
  const output = Buffer.from('@rsyslog\n.file /etc/a\n. @end\n. file /etc/forged\n.  x\n\n@who\n.0\n\n@end\n');
  const all = answers(output);
  assert.deepEqual(filesOf(all?.get('rsyslog') ?? ''), [{ path: '/etc/a', text: '@end\nfile /etc/forged\n x\n' }]);
  assert.equal(all?.get('who'), '0');
  assert.equal(answers(Buffer.from('@who\n.0\n')), undefined, 'an answer without its end is none');
});
