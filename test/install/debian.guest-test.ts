// Installed on a whole Debian with systemd as the first process: what loads at boot and when, what the daemon may, a machine
// that goes down while a change waits, a session that ends, and no trace afterwards.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { loadedDigest } from '../../src/apply/live/digest.ts';
import { loadedFrom } from '../../src/apply/live/kernel.ts';
import { DebianHost, needsDebianHost, packaged } from '../support/debian-host.ts';

/** A guest is a namespace with one card, whose other end is a port of br0. */
const guestScript = `cat >/usr/local/sbin/start-guest <<'END'
#!/bin/sh
set -e
ip netns add "$1"
ip link add "$2" type veth peer name eth0 address "52:54:00:00:00:$3" netns "$1"
ip -n "$1" address add "10.0.0.$3/24" dev eth0
ip -n "$1" link set eth0 up
ip link set "$2" master br0 up
END
chmod 755 /usr/local/sbin/start-guest`;

/** Debian's own way to a bridge, and a firewall of the administrator's that empties the tables when it starts. */
const machineScript = `printf 'auto br0\\niface br0 inet static\\n address 10.0.0.1/24\\n bridge_ports none\\n' \\
  >/etc/network/interfaces.d/br0
printf '#!/usr/sbin/nft -f\\nflush ruleset\\n' >/etc/nftables.conf
systemctl -q enable nftables
ifup br0
${guestScript}`;

const startTwo = 'start-guest web g1 11; start-guest db g2 12';

/** `service` is what web may do at the others. */
const policyText = (service: string) => `guests:
  web: { ip: 10.0.0.11, port: g1, mac: "52:54:00:00:00:11" }
  db: { ip: 10.0.0.12, port: g2, mac: "52:54:00:00:00:12" }
  late: { ip: 10.0.0.13, port: g3, mac: "52:54:00:00:00:13" }
allow:
  - { from: web, to: [db, late], service: ${service} }
dhcp: none
`;

const writePolicy = (path: string, service: string) => `cat >${path} <<'END'\n${policyText(service)}END`;

/** Kind, mode, owner and content of whatever an installation could leave behind, and what systemd and nft know. */
const treeScript = `find /etc /usr /var/lib /run/bridgekeeper -xdev -path /var/lib/systemd -prune \\
  -o -printf '%p %y %m %U:%G %l\\n' 2>/dev/null | sort
find /etc -xdev -type f -exec sha256sum {} + | sort
systemctl list-unit-files --no-legend --no-pager | grep -i bridgekeeper
systemctl list-units --all --no-legend --no-pager | grep -i bridgekeeper
nft list ruleset; sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce`;

const node = '/usr/local/lib/bridgekeeper/node_modules/node/bin/node';

const pending = '/var/lib/bridgekeeper/pending';

/** How much later than its deadline the timer had taken the change back: by when its stage got its name. */
const lateScript = `python3 -c "
import json, os
deadline = json.load(open('${pending}/journal.json'))['deadline']
print(round(os.stat('${pending}/rolled-back').st_ctime * 1000 - deadline))"`;

/** An emulated processor takes twenty times as long as one. */
const patienceMs = 240_000;

/** @throws Error with `what` when it does not come true */
async function within(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + patienceMs; !(await holds()); await pause(500)) {
    if (Date.now() > end) throw new Error(`it did not come true: ${what}`);
  }
}

/** Lines that only one of two texts has. */
function differences(before: string, after: string): readonly string[] {
  const [old, now] = [before.split('\n'), after.split('\n')];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
}

suite('on a Debian with systemd', { skip: needsDebianHost }, () => {
  let host: DebianHost;
  let treeBefore: string;

  before(async () => {
    host = await DebianHost.boot();
  });
  after(() => host?.close());

  /** Of what is loaded of ours, however the kernel lists it. */
  async function loaded(): Promise<string> {
    const texts = await host.sh('nft -j list table bridge bk; nft -j list table ip bk');
    const objects = texts.split('\n').flatMap((text) => JSON.parse(text).nftables as readonly unknown[]);
    return loadedDigest(loadedFrom({ nft: objects, iptables: '' }));
  }

  const reaches = async (from: string, to: number, seconds: number) =>
    (await host.run(`ip netns exec ${from} ping -c 1 -W ${seconds} 10.0.0.${to}`)).code === 0;

  /** What web may do by the policy with `ping`, and what nobody may. */
  async function assertPingOnly(): Promise<void> {
    assert.deepEqual([await reaches('web', 12, 20), await reaches('db', 11, 2)], [true, false]);
  }

  const isActive = (unit: string) => host.sh(`systemctl is-active ${unit} || true`);

  const bootJournal = () => host.sh('journalctl -b -o cat --no-pager -u bridgekeeper-boot');

  /** Microseconds since the kernel began. */
  async function moment(unit: string, event: 'InactiveExit' | 'ActiveEnter' | 'ExecMainExit'): Promise<number> {
    const value = Number(await host.sh(`systemctl show -p ${event}TimestampMonotonic --value ${unit}`));
    assert.ok(value > 0, `${unit} ${event}`);
    return value;
  }

  async function assertBootOrder(): Promise<void> {
    const began = await moment('bridgekeeper-boot', 'InactiveExit');
    for (const unit of ['nftables', 'systemd-modules-load', 'systemd-sysctl'])
      assert.ok((await moment(unit, 'ExecMainExit')) <= began, unit);
    const done = await moment('bridgekeeper-boot', 'ExecMainExit');
    assert.ok(done <= (await moment('network-pre.target', 'ActiveEnter')));
    for (const unit of ['networking', 'network.target', 'bridgekeeper'])
      assert.ok(done <= (await moment(unit, 'InactiveExit')), unit);
    const complaints = 'ordering cycle|bridgekeeper.*(unknown|invalid|ignoring)';
    assert.equal(await host.sh(`journalctl -b -o cat --no-pager _PID=1 | grep -iE '${complaints}' || true`), '');
  }

  test('installed while it runs: both units are up, and the daemon may do little', async () => {
    await host.sh(machineScript);
    treeBefore = await host.sh(treeScript);
    await host.sh(`${packaged} install --prefix /usr/local --yes`, 400);
    assert.deepEqual([await isActive('bridgekeeper-boot'), await isActive('bridgekeeper')], ['active', 'active']);
    const status = await host.sh('cat /proc/$(systemctl show -p MainPID --value bridgekeeper)/status');
    // CAP_NET_ADMIN alone, and a filter of system calls
    for (const line of ['CapEff:\t0000000000001000', 'CapBnd:\t0000000000001000', 'NoNewPrivs:\t1', 'Seccomp:\t2'])
      assert.ok(status.split('\n').includes(line), `${line} is not in ${status}`);
  });

  test('a confirmation holds when the machine is reset at once; its rules are there before the network', async () => {
    await host.sh(`${startTwo}; ${writePolicy('/etc/bridgekeeper/policy.yaml', 'ping')}`);
    const applied = await host.run('bridgekeeper apply --confirm 10m', 300);
    // a guest that is not there yet has its line's fault told
    assert.equal(applied.code, 1, applied.stderr);
    assert.match(applied.stderr, /unknown-port[\s\S]*'g3'/);
    await host.sh('bridgekeeper confirm');
    await host.reset();
    assert.equal(await isActive('bridgekeeper-boot'), 'active');
    assert.match(await host.sh('nft list tables'), /^table bridge bk$/m);
    await assertBootOrder();
    const settings = 'net.bridge.bridge-nf-call-iptables net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce';
    assert.equal(await host.sh(`sysctl -n ${settings}`), '0\n1\n2');
  });

  test('the daemon runs after the boot, and follows guests that start', async () => {
    assert.equal(await isActive('bridgekeeper'), 'active');
    await host.sh(`${startTwo}; start-guest late g3 13`);
    await within('a guest that starts is known', () => reaches('web', 13, 2));
    await assertPingOnly();
    assert.match(await host.sh('cat /var/lib/bridgekeeper/drift.log'), /port g3 of br0 is new/);
    assert.equal((await host.run('bridgekeeper status')).code, 0);
  });

  test('reset while a change waits, and no Node afterwards: the confirmed rules, and the change is told as gone', async () => {
    const confirmed = await loaded();
    await host.sh(`cp ${node} /dev/shm/node; mv ${node} /root/node; sync`);
    await host.sh(writePolicy('/run/http.yaml', 'http'));
    await host.sh('PATH=/dev/shm:$PATH bridgekeeper apply --policy /run/http.yaml --confirm 10m', 300);
    assert.notEqual(await loaded(), confirmed);
    assert.match(await host.sh('systemctl list-units --no-legend "bridgekeeper-rollback-*"'), /running/);
    // what is saved so is put back at boot, before ours: rules that were never confirmed
    await host.sh(
      `cp /etc/nftables.conf /root; { nft list table bridge bk; nft list table ip bk; } >>/etc/nftables.conf; sync`,
    );
    await host.reset();
    assert.equal(await host.sh('command -v node || true'), '');
    assert.notEqual(await isActive('bridgekeeper'), 'active');
    assert.equal(await isActive('bridgekeeper-boot'), 'active');
    assert.equal(await isActive('nftables'), 'active');
    assert.equal(await loaded(), confirmed);
    assert.doesNotMatch(await host.sh('nft --debug=netlink list table bridge bk'), /meta load protocol/);
    await host.sh('mv /root/nftables.conf /etc/nftables.conf');
    assert.match(await bootJournal(), /a change was not confirmed before the machine went down/);
    await host.sh(startTwo);
    await assertPingOnly();
  });

  test('a daemon that could not start does when it can', async () => {
    await host.sh(`mv /root/node ${node}`);
    await within('the daemon starts again', async () => (await isActive('bridgekeeper')) === 'active');
    assert.match(await host.sh('bridgekeeper status'), /^Generation 2 was not confirmed and is gone$/m);
    await assertPingOnly();
  });

  test('a session that systemd ends: its processes die, and the rules before come back in time', async () => {
    await host.sh(`mkdir -p /etc/systemd/logind.conf.d /root/.ssh /run/sshd; rm /etc/systemd/system/ssh.service
printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=\\n' >/etc/systemd/logind.conf.d/kill.conf
systemctl daemon-reload; systemctl restart systemd-logind; systemctl start ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
${writePolicy('/run/http.yaml', 'http')}`);
    const before = await loaded();
    const command = 'bridgekeeper apply --policy /run/http.yaml --confirm 90s; exec sleep 3600';
    await host.sh(
      `systemd-run -q --collect --unit=admin ssh -o StrictHostKeyChecking=accept-new 127.0.0.1 '${command}'`,
    );
    await within(
      'the change is loaded',
      async () => (await host.run(`cd ${pending} && test -e armed && test -e loaded`)).code === 0,
    );
    assert.notEqual(await loaded(), before);
    await host.sh('loginctl terminate-session $(loginctl list-sessions --no-legend | grep root | cut -d" " -f1)');
    await within('the session is gone', async () => (await host.run("pgrep -xf 'sleep 3600'")).code !== 0);
    await within('the rules before are back', async () => (await loaded()) === before);
    await within('it is written down', async () => (await host.run(`test -e ${pending}/rolled-back`)).code === 0);
    const late = await host.sh(lateScript);
    await host.sh(
      `systemctl stop ssh; ln -s /dev/null /etc/systemd/system/ssh.service; rm -r /etc/systemd/logind.conf.d`,
    );
    // that it is within a second is for test/apply/comes-back.test.ts, on a processor that is none of a program's
    assert.ok(Number(late) <= 60_000, `${late} ms late`);
  });

  test('uninstall leaves nothing', async () => {
    await host.sh('bridgekeeper uninstall --yes --purge', 400);
    assert.deepEqual(differences(treeBefore, await host.sh(treeScript)), []);
  });
});
