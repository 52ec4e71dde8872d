// The two files of ufw that are edited: exactly the lines that offend, every other byte as it was.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { withoutModules } from '../../src/ufw/default-ufw.ts';
import { assignments, ufwSettings } from '../../src/ufw/settings.ts';
import { sysctlSettings, withoutSettings } from '../../src/ufw/sysctl-conf.ts';
import { goldenPath } from '../yaml/golden.ts';

const modules: readonly (readonly [text: string, failing: string, after: string])[] = [
  ['IPT_MODULES="a b"\n', 'a b', '#IPT_MODULES="a b"\n'],
  ['IPT_MODULES="a b c"\n', 'a c', '#IPT_MODULES="a b c"\nIPT_MODULES="b"\n'],
  ['IPT_MODULES="a b"\n', '', 'IPT_MODULES="a b"\n'],
  ['IPT_MODULES="a b"\n', 'ab', 'IPT_MODULES="a b"\n'],
  ['IPT_MODULES=""\n', 'a', 'IPT_MODULES=""\n'],
  ['IPT_MODULES=a', 'a', '#IPT_MODULES=a'],
  ["IPT_MODULES='a'\n", 'a', "#IPT_MODULES='a'\n"],
  ['#IPT_MODULES="a"\n', 'a', '#IPT_MODULES="a"\n'],
  ['X=1\nIPT_MODULES="a\n  b"\nY=2\n', 'a b', 'X=1\n#IPT_MODULES="a\n#  b"\nY=2\n'],
  ['IPT_MODULES="a" # why\n', 'a', '#IPT_MODULES="a" # why\n'],
  ['IPT_MODULES="a b"\r\n', 'b', '#IPT_MODULES="a b"\r\nIPT_MODULES="a"\r\n'],
  ['\xff\xfe\nIPT_MODULES="a"\n\x00', 'a', '\xff\xfe\n#IPT_MODULES="a"\n\x00'],
  ['IPT_MODULES="a\n', 'a', '#IPT_MODULES="a\n'],
];

suite('modules in /etc/default/ufw', () => {
  for (const [text, failing, after] of modules) {
    test(`${JSON.stringify(text)} without '${failing}'`, () => {
      const names = new Set(failing.split(' '));
      assert.equal(withoutModules(text, names), after);
      assert.equal(withoutModules(after, names), after, 'a second time nothing is left to do');
    });
  }
});

const settings: readonly (readonly [text: string, failing: string, after: string])[] = [
  ['net/ipv4/tcp_sack=1\n', 'net/ipv4/tcp_sack', '#net/ipv4/tcp_sack=1\n'],
  ['net.ipv4.tcp_sack = 1\n', 'net/ipv4/tcp_sack', '#net.ipv4.tcp_sack = 1\n'],
  ['-net/ipv4/tcp_sack=1\n', 'net/ipv4/tcp_sack', '#-net/ipv4/tcp_sack=1\n'],
  ['  net/ipv4/tcp_sack=1', 'net/ipv4/tcp_sack', '#  net/ipv4/tcp_sack=1'],
  ['net/ipv4/tcp_sack=1\nnet/ipv4/tcp_sack=0\n', 'net/ipv4/tcp_sack', '#net/ipv4/tcp_sack=1\n#net/ipv4/tcp_sack=0\n'],
  ['net/ipv4/tcp_sackx=1\n', 'net/ipv4/tcp_sack', 'net/ipv4/tcp_sackx=1\n'],
  [
    '# net/ipv4/tcp_sack=1\n; net/ipv4/tcp_sack=1\n',
    'net/ipv4/tcp_sack',
    '# net/ipv4/tcp_sack=1\n; net/ipv4/tcp_sack=1\n',
  ],
  ['net/ipv4/conf/eth0.10/rp_filter=1\n', 'net/ipv4/conf/eth0.10/rp_filter', '#net/ipv4/conf/eth0.10/rp_filter=1\n'],
  ['net.ipv4.conf.eth0/10.rp_filter=1\n', 'net/ipv4/conf/eth0.10/rp_filter', '#net.ipv4.conf.eth0/10.rp_filter=1\n'],
  ['\xe4\r\nnet/ipv4/tcp_sack=1\r\n\x00', 'net/ipv4/tcp_sack', '\xe4\r\n#net/ipv4/tcp_sack=1\r\n\x00'],
];

suite('kernel settings in /etc/ufw/sysctl.conf', () => {
  for (const [text, failing, after] of settings) {
    test(`${JSON.stringify(text)} without ${failing}`, () => {
      assert.equal(withoutSettings(text, new Set([failing])), after);
      assert.equal(withoutSettings(after, new Set([failing])), after);
    });
  }
});

test("what ufw goes by, in Debian 8's file and where a file is odd", () => {
  const text = readFileSync(goldenPath('ufw/debian8-default-ufw'), 'latin1');
  const read = ufwSettings(text, 'ENABLED=yes\nLOGLEVEL=medium\n');
  assert.deepEqual(read, {
    enabled: true,
    ipv6: true,
    inputPolicy: 'DROP',
    logLevel: 'medium',
    modules: ['nf_conntrack_ftp', 'nf_nat_ftp', 'nf_conntrack_netbios_ns'],
    sysctlFile: '/etc/ufw/sysctl.conf',
  });
  const odd = ufwSettings('IPV6=no\nIPV6=YES\nDEFAULT_INPUT_POLICY="ACCEPT"\nDEFAULT_INPUT_POLICY=$X\n', '');
  assert.deepEqual([odd.enabled, odd.ipv6, odd.inputPolicy, odd.modules], [false, true, 'DROP', []]);
  assert.deepEqual(
    assignments('\x00A=1\nB="x\n').map(({ name, value }) => [name, value]),
    [['B', 'x']],
  );
});

test("Debian 8's settings are all seen, and none that is a comment", () => {
  const keys = sysctlSettings(readFileSync(goldenPath('ufw/debian8-sysctl.conf'), 'latin1')).map(({ key }) => key);
  assert.equal(keys.length, 17);
  assert.ok(keys.includes('net/ipv4/tcp_sack') && !keys.includes('net/ipv4/ip_forward'));
});
