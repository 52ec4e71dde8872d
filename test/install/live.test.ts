// Installing on a machine that runs: in mount, process and network namespaces of its own, with /etc, /usr/local, /var/lib and
// /run that end with them. What systemd would be told is written down by a stand-in, since systemd is not the first process.
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite, type TestContext, test } from 'node:test';
import { policyText } from '../apply/live-host.ts';
import { ended, nextWords } from '../support/child.ts';
import { needsRoot, type Ran } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { program } from '../support/run-cli.ts';

const script = `set -e
mount -t tmpfs tmpfs /run
for place in /etc /usr/local; do
  mkdir -p /run/overlay$place/up /run/overlay$place/work
  mount -t overlay overlay -o lowerdir=$place,upperdir=/run/overlay$place/up,workdir=/run/overlay$place/work $place
done
mkdir /run/real
mount --bind /run/real /run/real
mount -t tmpfs tmpfs /var/lib
mkdir /run/tools
for tool in systemctl systemd-tmpfiles update-rc.d; do
  printf '#!/bin/sh\\necho "%s $*" >>/run/told\\n' $tool >/run/tools/$tool
  chmod 755 /run/tools/$tool
done
echo 'mkdir -p /run/bridgekeeper' >>/run/tools/systemd-tmpfiles
ip link set lo up
ip link add br0 up type bridge
for port in g1 g2; do ip tuntap add $port mode tap; ip link set $port up master br0; done
sysctl -q -w net.bridge.bridge-nf-call-iptables=0 || true
echo ready
cat >/dev/null
`;

/** Everything that could be changed, but for what the stand-ins write: kind, mode, owner and content. */
const treeScript = `find /etc /usr/local /var/lib /run -path /run/overlay -prune -o -path /run/tools -prune -o -name told -o \\
  -printf '%p %y %m %U:%G %l\\n' | sort; find /etc /var/lib /usr/local/bin -type f -exec sha256sum {} + | sort`;

class Machine {
  readonly #pid: string;
  readonly #close: () => Promise<void>;
  #resident: Resident | undefined;

  private constructor(pid: string, close: () => Promise<void>) {
    this.#pid = pid;
    this.#close = close;
  }

  static async build(t: TestContext, init: 'systemd' | 'scripts'): Promise<Machine> {
    const holder = spawn('unshare', ['-n', '-m', '-p', '-f', '--mount-proc', '--kill-child', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    assert.match(await nextWords(holder), /ready/);
    const inside = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim();
    const machine = new Machine(inside, async () => {
      const gone = ended(holder);
      holder.stdin.end();
      await gone;
    });
    t.after(() => machine.#close());
    const resident = new Resident(machine.#way());
    t.after(() => resident.close());
    machine.#resident = resident;
    if (init === 'systemd') await machine.sh('mkdir -p /run/systemd/system');
    await machine.sh('cat >/run/policy.yaml', policyText('ssh'));
    return machine;
  }

  #way(): readonly string[] {
    const path = `PATH=/run/tools:${process.env.PATH}`;
    return ['nsenter', '-n', '-m', '-p', '-t', this.#pid, '--', 'env', path];
  }

  run(argv: readonly string[], input = ''): Promise<Ran> {
    const [file = '', ...args] = [...this.#way(), ...argv];
    return new Promise((resolve) => {
      const child = execFile(file, args, { maxBuffer: 1 << 26 }, (failure, stdout, stderr) =>
        resolve({ code: failure === null ? 0 : Number(failure.code ?? 127), stdout, stderr }),
      );
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  }

  async sh(text: string, input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(['sh', '-c', text], input);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  tool(...args: readonly string[]): Promise<Ran> {
    assert.ok(this.#resident);
    return this.#resident.run(args);
  }

  async ok(...args: readonly string[]): Promise<Ran> {
    const ran = await this.tool(...args);
    assert.equal(ran.code, 0, `${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
    return ran;
  }

  tree(): Promise<string> {
    return this.sh(treeScript);
  }

  /** What the stand-ins were told since the last time. */
  told(): Promise<string> {
    return this.sh('cat /run/told 2>/dev/null; rm -f /run/told');
  }

  arp(): Promise<string> {
    return this.sh('cd /proc/sys/net/ipv4/conf/all; cat arp_ignore arp_announce');
  }
}

const needsOverlay: string | false = needsRoot || overlayMissing();

function overlayMissing(): string | false {
  const text =
    'mount -t tmpfs x /mnt && mkdir /mnt/u /mnt/w && mount -t overlay x -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc';
  const { status } = spawnSync('unshare', ['-n', '-m', '-p', '-f', '--mount-proc', 'sh', '-c', text]);
  return status === 0 ? false : 'needs namespaces and overlay file systems';
}

suite('on a machine with systemd', { skip: needsOverlay }, () => {
  test('installed, used, and taken away: nothing is left', async (t) => {
    const machine = await Machine.build(t, 'systemd');
    const before = await machine.tree();
    const { stderr } = await machine.tool('install');
    assert.match(stderr, /give --yes/);
    assert.equal(await machine.tree(), before);
    await machine.ok('install', '--yes');
    assert.deepEqual((await machine.told()).split('\n'), [
      'systemd-tmpfiles --create /etc/tmpfiles.d/bridgekeeper.conf',
      'systemctl daemon-reload',
      'systemctl enable bridgekeeper-boot.service bridgekeeper.service',
      'systemctl restart bridgekeeper.service',
      '',
    ]);
    assert.equal(await machine.arp(), '1\n2\n');
    assert.equal(await machine.sh('man -w bridgekeeper >/dev/null 2>&1; bridgekeeper --version'), '0.1.0\n');

    assert.match((await machine.ok('install', '--yes')).stderr, /nothing was changed/);
    assert.doesNotMatch(await machine.told(), /restart/);

    await machine.ok('apply', '--policy', '/run/policy.yaml', '--confirm', '10m');
    const waiting = await machine.tool('uninstall', '--yes');
    assert.equal(waiting.code, 2);
    assert.match(waiting.stderr, /a change waits/);
    await machine.ok('confirm');
    assert.match(await machine.sh('nft list tables'), /bridge bk$/m);
    // of a daemon that was killed
    await machine.sh('nft add table bridge bk_present');

    await machine.ok('uninstall', '--yes', '--purge');
    assert.match(await machine.told(), /^systemctl disable --now bridgekeeper.service bridgekeeper-boot.service$/m);
    assert.equal(await machine.sh('nft list tables'), '');
    assert.equal(await machine.arp(), '0\n0\n');
    const link = JSON.parse(await machine.sh('ip -j -d link show br0'));
    assert.equal(link[0].linkinfo.info_data.nf_call_iptables, 0);
    await machine.sh('rm /run/policy.yaml');
    assert.equal(await machine.tree(), before.replace(/^\/run\/policy.yaml .*\n/m, ''));
  });

  test('the rules stay if that is wanted, and a state stays unless it is purged', async (t) => {
    const machine = await Machine.build(t, 'systemd');
    await machine.ok('install', '--yes');
    await machine.ok('apply', '--policy', '/run/policy.yaml', '--no-confirm');
    const rules = await machine.sh('nft list ruleset');
    const { stderr } = await machine.ok('uninstall', '--yes', '--keep-rules');
    assert.match(stderr, /\/var\/lib\/bridgekeeper stays/);
    assert.equal(await machine.sh('nft list ruleset'), rules);
    // without an installation nothing is left to be taken away, and what is known of the rules is still there
    assert.match((await machine.ok('uninstall', '--yes')).stderr, /nothing is installed/);
    assert.equal((await machine.tool('status')).code, 0);
  });

  test('what somebody set meanwhile stays; what would silence an address is not set', async (t) => {
    const machine = await Machine.build(t, 'systemd');
    await machine.ok('install', '--yes');
    await machine.sh('sysctl -q -w net.ipv4.conf.all.arp_ignore=2');
    await machine.ok('uninstall', '--yes');
    assert.equal(await machine.arp(), '2\n0\n');
    await machine.sh('sysctl -q -w net.ipv4.conf.all.arp_ignore=0');
    await machine.ok('install', '--yes');
    assert.equal(await machine.arp(), '1\n2\n');
    await machine.sh('ip address add 10.9.9.9/32 dev lo');
    const { stderr } = await machine.ok('install', '--yes');
    assert.match(stderr, /ARP stays as it is .*10\.9\.9\.9/);
    assert.equal(await machine.arp(), '0\n0\n');
  });

  test("an old libvirt has one hook for each driver: somebody else's is left alone", async (t) => {
    const machine = await Machine.build(t, 'systemd');
    await machine.sh('printf "#!/bin/sh\\necho 6.4.0\\n" >/run/tools/virsh; chmod 755 /run/tools/virsh');
    await machine.ok('install', '--yes');
    assert.equal(await machine.sh('cd /etc/libvirt/hooks; ls'), 'network\nqemu\n');
    assert.match((await machine.ok('install', '--yes')).stderr, /nothing was changed/);
    await machine.ok('uninstall', '--yes');
    await machine.sh('mkdir -p /etc/libvirt/hooks; echo mine >/etc/libvirt/hooks/qemu');
    assert.match((await machine.ok('install', '--yes')).stderr, /ours is left out/);
    assert.equal(await machine.sh('cd /etc/libvirt/hooks; ls; cat qemu'), 'qemu\nmine\n');
  });

  test('a service that cannot be stopped: nothing is removed', async (t) => {
    const machine = await Machine.build(t, 'systemd');
    await machine.ok('install', '--yes');
    const before = await machine.tree();
    await machine.sh('printf "#!/bin/sh\\nexit 1\\n" >/run/tools/systemctl');
    assert.equal((await machine.tool('uninstall', '--yes')).code, 2);
    assert.equal(await machine.tree(), before);
  });

  test('without root: it says what it needs, and a dry run shows everything', async (t) => {
    const machine = await Machine.build(t, 'systemd');
    const user = (...args: readonly string[]) =>
      machine.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, program, ...args]);
    if ((await user('--version')).code !== 0) return t.skip('the checkout is readable by root only');
    const { code, stderr } = await user('install', '--yes');
    assert.equal(code, 2);
    assert.match(stderr, /that needs root/);
    assert.match((await user('install', '--dry-run')).stdout, /bridgekeeper\.service/);
  });
});

suite('on a machine with scripts', { skip: needsOverlay }, () => {
  test('scripts are put in place and registered, and all of it can be taken away', async (t) => {
    const machine = await Machine.build(t, 'scripts');
    const before = await machine.tree();
    const { stderr } = await machine.ok('install', '--yes');
    assert.match(stderr, /systemd does not run here/);
    assert.match(await machine.told(), /^update-rc.d bridgekeeper-boot defaults\nupdate-rc.d bridgekeeper defaults$/m);
    await machine.ok('apply', '--policy', '/run/policy.yaml', '--no-confirm');
    await machine.sh('nft flush ruleset; /etc/init.d/bridgekeeper-boot start');
    assert.match(await machine.sh('nft list tables'), /bridge bk/);
    await machine.ok('uninstall', '--yes', '--purge');
    assert.match(await machine.told(), /update-rc.d -f bridgekeeper remove/);
    assert.equal(await machine.tree(), before);
  });
});
