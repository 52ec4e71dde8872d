// What we say of ufw's rules before they are loaded, held against what the kernel does with them: a connection from the
// other end of a wire, after Debian's ufw loaded them.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { before, suite, test } from 'node:test';
import { commandText, enableLines } from '../../src/cli/ufw-text.ts';
import { addRules, enable, isLockedOut, planEnabling } from '../../src/ufw/enable.ts';
import { inputRules, tuplesOf } from '../../src/ufw/tuple.ts';
import { enabling, other, port } from './enabling.ts';
import { needsUfw, server } from './ufw-machine.ts';

suite('rules of a user', { skip: needsUfw }, () => {
  const { machine, enableHere, isOn } = enabling();

  const ways = [
    [port, 4],
    [port, 6],
    [other, 4],
  ] as const;

  before(() => machine.openSession(port, server[4]));

  /** ufw's own commands before; 0, or 5 where the program refuses; what it says; whether the client then comes in by IPv4. */
  const rows: readonly (readonly [
    name: string,
    commands: readonly string[],
    code: 0 | 5,
    says: RegExp,
    comesIn: boolean,
  ])[] = [
    ['limit', ['limit 2222/tcp'], 0, /careful IPv4 port 2222, session.*allowed, but not too often/, true],
    [
      'from the client',
      ['allow from 10.99.0.2 to any port 2222 proto tcp', 'allow from fd99::/64 to any port 2222 proto tcp'],
      0,
      /careful IPv4 port 2222, where sshd listens: allowed for some only/,
      true,
    ],
    [
      'from somebody else',
      ['allow from 10.99.0.3 to any port 2222 proto tcp', 'allow from ::/0 to any port 2222 proto tcp'],
      5,
      /ufw allow from 10\.99\.0\.2 to any port 2222 proto tcp/,
      false,
    ],
    [
      'denied before it is allowed',
      ['deny from 10.99.0.0/24', 'allow 2222/tcp'],
      5,
      /ufw prepend allow from 10\.99\.0\.2 to any port 2222 proto tcp/,
      false,
    ],
    [
      'allowed before it is denied',
      ['allow 2222/tcp', 'deny from 10.99.0.0/24'],
      0,
      /open {4}IPv4 port 2222, session/,
      true,
    ],
    ['by the interface', ['allow in on wire to any port 2222 proto tcp'], 0, /open {4}IPv4 port 2222, session/, true],
    [
      'by another interface',
      ['allow in on eth7 to any port 2222 proto tcp'],
      5,
      /ufw allow from 10\.99\.0\.2 to any port 2222 proto tcp/,
      false,
    ],
    [
      'routed',
      ['route allow proto tcp from any to any port 2222'],
      5,
      /ufw allow from any to any port 2222 proto tcp/,
      false,
    ],
    ['a range', ['allow 2000:3000/tcp'], 0, /open {4}IPv4 port 2222, session/, true],
    ['UDP', ['allow 2222/udp'], 5, /ufw allow from any to any port 2222 proto tcp/, false],
    ['with a log', ['allow log 2222/tcp'], 0, /open {4}IPv4 port 2222, session/, true],
    ['the default', ['default allow incoming'], 0, /open {4}IPv4 port 2222, session/, true],
    [
      'the default, and a deny',
      ['default allow incoming', 'deny 2222/tcp'],
      5,
      /stopped by -A ufw-user-input -p tcp --dport 2222 -j DROP/,
      false,
    ],
    [
      'IPv4 only',
      ['allow from 0.0.0.0/0 to any port 2222 proto tcp'],
      5,
      /ufw allow from ::\/0 to any port 2222 proto tcp/,
      true,
    ],
  ];

  for (const [name, commands, wanted, says, comesIn] of rows) {
    test(`${name}: ${wanted === 0 ? 'turned on' : 'refused'}, and the kernel agrees`, async () => {
      machine.ufw(...commands);
      const plan = await planEnabling(machine.access);
      assert.match([...enableLines(plan), ...plan.missing.map(commandText)].join('\n'), says);
      assert.equal(isLockedOut(plan.judged), wanted === 5);
      // what we refuse is tried without us
      if (wanted === 5) machine.ufw('--force enable');
      else await enable(machine.access, plan, undefined);
      assert.equal(isOn(), true);
      assert.equal(await machine.reaches(port, 4), comesIn);
    });
  }

  for (const commands of [
    ['deny from 10.99.0.0/24', 'allow 2222/tcp'],
    ['deny 2222', 'allow 2222/tcp'],
    ['deny from any'],
    ['allow from 10.99.0.3'],
  ]) {
    test(`${commands.join(', ')}: --allow-ssh opens it all the same`, async () => {
      machine.ufw(...commands);
      const closed = await planEnabling(machine.access);
      assert.equal(isLockedOut(closed.judged), true);
      const plan = await addRules(machine.access, closed);
      assert.equal(isLockedOut(plan.judged), false);
      await enable(machine.access, plan, undefined);
      assert.deepEqual(await machine.reachesAll(ways), [true, true, false]);
    });
  }

  const legacy = '/usr/sbin/xtables-legacy-multi';
  test('the same with the older iptables', {
    skip: existsSync(legacy) ? false : 'no iptables-legacy here',
  }, async () => {
    machine.inServer('mount', ['--bind', legacy, '/usr/sbin/xtables-nft-multi']);
    try {
      assert.match(machine.inServer('iptables', ['--version']), /legacy/);
      assert.equal(isLockedOut((await planEnabling(machine.access)).judged), true);
      const { code, stdout, stderr } = await enableHere('--allow-ssh', '--confirm', '600s');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /read back from the kernel: IPv4 and IPv6$/m);
      assert.deepEqual(await machine.reachesAll(ways), [true, true, false]);
      machine.inServer('ufw', ['disable']);
    } finally {
      machine.inServer('umount', ['/usr/sbin/xtables-nft-multi']);
    }
  });

  test("ufw's own lines are those that we make of its tuples", () => {
    const commands = [
      'allow 22',
      'allow in on wire to any port 2222 proto tcp',
      'limit 22/tcp',
      'reject 23/tcp',
      'reject 24',
      'deny from 10.0.0.0/8 port 99 to 10.99.0.1 port 22 proto tcp',
      'allow 5000:6000,7000/tcp',
      'allow proto tcp from any port 40000:50000 to any port 22',
      'allow OpenSSH',
      'allow from fd99::/64',
      'allow proto ah from any',
      'allow log 333/tcp',
      'route allow proto tcp from any to any port 22',
      'allow out 53/udp',
    ];
    machine.ufw(...commands);
    for (const [family, file] of [
      [4, '/etc/ufw/user.rules'],
      [6, '/etc/ufw/user6.rules'],
    ] as const) {
      const text = machine.read(file);
      const written = text
        .split('\n')
        .filter((line) => /^-A ufw6?-user-input /.test(line) && !line.includes('-user-logging-'));
      const made = tuplesOf(text).flatMap((tuple) => inputRules(tuple, family));
      assert.deepEqual(made, written);
      assert.ok(made.length >= 15, `${made.length} lines`);
    }
  });
});
