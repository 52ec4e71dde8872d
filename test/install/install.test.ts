// Installing below a root, as a packager does, and taking it away again: the tree is what it was, byte for byte.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { type Installed, type InstallOptions, install, planInstall } from '../../src/install/install.ts';
import { safeHomeFault } from '../../src/install/safe-home.ts';
import { planUninstall, uninstall } from '../../src/install/uninstall.ts';
import { stayingCli } from '../support/resident.ts';
import { root as checkout, freshDirectory, type Run, runProgram } from '../support/run-cli.ts';

const runCli = stayingCli();

const unit = '/etc/systemd/system/bridgekeeper.service';
const hook = '/etc/libvirt/hooks/qemu.d/bridgekeeper';
const sysctl = '/etc/sysctl.d/60-bridgekeeper.conf';

/** Where each shell looks for it. */
const completions = [
  ['/usr/local/share/bash-completion/completions/bridgekeeper', /^complete -F _bridgekeeper bridgekeeper$/m],
  ['/usr/local/share/zsh/site-functions/_bridgekeeper', /^#compdef bridgekeeper$/m],
  ['/usr/local/share/fish/vendor_completions.d/bridgekeeper.fish', /^complete -c bridgekeeper -f$/m],
] as const;

/** Every path with kind, mode, owner and content. */
function tree(root: string): readonly string[] {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return ['', ...paths].map((path) => {
    const stat = lstatSync(join(root, path));
    const content = stat.isSymbolicLink()
      ? readlinkSync(join(root, path))
      : stat.isFile()
        ? createHash('sha256')
            .update(readFileSync(join(root, path)))
            .digest('hex')
        : '';
    return `${path} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}`;
  });
}

async function ok(...args: readonly string[]): Promise<Run> {
  const run = await runCli(args);
  assert.equal(run.code, 0, `${args.join(' ')}: ${run.stdout}${run.stderr}`);
  return run;
}

/** As the command has them. */
const scripts = Promise.all(
  (['bash', 'zsh', 'fish'] as const).map(async (shell) => ({ shell, text: (await ok('completion', shell)).stdout })),
);

/** What the commands do, without a process for each. */
async function put(root: string, options: Partial<InstallOptions> = {}): Promise<Installed> {
  const completions = await scripts;
  return install(await planInstall({ checkout, root, iptables: false, force: false, completions, ...options }));
}

async function take(root: string, purge = false): Promise<void> {
  const plan = await planUninstall({ root, purge });
  assert.ok(plan !== undefined);
  await uninstall(plan, () => Promise.resolve());
}

/** A root with some things in it that a machine has. */
function freshRoot(t: TestContext): string {
  const root = freshDirectory(t);
  for (const path of ['etc/systemd/system', 'etc/libvirt', 'usr/local/bin', 'var/lib']) {
    mkdirSync(join(root, path), { recursive: true });
  }
  chmodSync(join(root, 'etc/libvirt'), 0o700);
  writeFileSync(join(root, 'etc/systemd/system/other.service'), '[Unit]\n');
  return root;
}

suite('install and uninstall below a root', () => {
  test('the tree is what it was', async (t) => {
    const root = freshRoot(t);
    const before = tree(root);
    await ok('install', '--root', root);
    for (const path of [unit, hook, sysctl]) assert.ok(existsSync(join(root, path)), path);
    for (const [path, words] of completions) assert.match(readFileSync(join(root, path), 'utf8'), words, path);
    assert.notDeepEqual(tree(root), before);
    await ok('uninstall', '--root', root);
    assert.deepEqual(tree(root), before);
  });

  test('a second time nothing changes, whatever the umask is', async (t) => {
    const root = freshRoot(t);
    await put(root);
    const once = tree(root);
    const { code, stdout, stderr } = await runProgram('sh', [
      '-c',
      'umask 077; exec "$@"',
      'sh',
      join(checkout, 'bin', 'bridgekeeper'),
      'install',
      '--root',
      root,
    ]);
    assert.equal(`${code} ${stdout}`, '0 ');
    assert.match(stderr, /nothing was changed/);
    assert.deepEqual(tree(root), once);
  });

  test('a dry run and a json one show everything and change nothing', async (t) => {
    const root = freshRoot(t);
    const before = tree(root);
    const { stdout } = await ok('install', '--root', root, '--dry-run');
    assert.match(stdout, /^new +\/etc\/systemd\/system\/bridgekeeper\.service$/m);
    assert.match(stdout, /^\+CapabilityBoundingSet=CAP_NET_ADMIN$/m);
    const json = JSON.parse((await ok('install', '--root', root, '--dry-run', '-o', 'json')).stdout);
    assert.equal(json.kind, 'install');
    assert.ok(json.files.some(({ path, what }: { path: string; what: string }) => path === unit && what === 'new'));
    assert.deepEqual(tree(root), before);
    await put(root);
    const there = tree(root);
    assert.match((await ok('uninstall', '--root', root, '--dry-run')).stdout, /^removed +\/etc\/sysctl/m);
    assert.deepEqual(tree(root), there);
  });

  test('a later version takes the place of an earlier one, and what was before it stays known', async (t) => {
    const root = freshRoot(t);
    mkdirSync(join(root, 'etc/sysctl.d'));
    writeFileSync(join(root, sysctl), 'net.ipv4.ip_forward = 1\n');
    const before = tree(root);
    await put(root, { force: true });
    // another version: other texts, and one file less
    await put(root, { iptables: true });
    assert.match(readFileSync(join(root, unit), 'utf8'), /CAP_NET_RAW/);
    await put(root);
    assert.doesNotMatch(readFileSync(join(root, unit), 'utf8'), /CAP_NET_RAW/);
    await take(root);
    assert.deepEqual(tree(root), before);
  });

  test('from one prefix to another: nothing stays behind', async (t) => {
    const root = freshRoot(t);
    const before = tree(root);
    await put(root);
    await put(root, { prefix: '/usr' });
    assert.ok(!existsSync(join(root, unit)));
    assert.ok(existsSync(join(root, '/usr/lib/systemd/system/bridgekeeper.service')));
    const copy = join(root, 'usr/lib/bridgekeeper/bin/bridgekeeper');
    const version = await runProgram(copy, ['--version']);
    assert.deepEqual([version.code, version.stdout], [0, (await ok('--version')).stdout]);
    const rules = await runProgram(copy, ['rules', join(checkout, 'examples', 'two-bridge'), '--format', 'nft']);
    assert.equal(rules.stdout, (await ok('rules', join(checkout, 'examples', 'two-bridge'), '--format', 'nft')).stdout);
    // a copy knows where it belongs
    const again = await runProgram(copy, ['install', '--root', root, '--prefix', '/usr']);
    assert.match(again.stderr, /nothing was changed/);
    assert.equal((await runProgram(copy, ['uninstall', '--root', root])).code, 0);
    assert.deepEqual(tree(root), before);
  });

  test('what an installation that was broken off has left is taken away too', async (t) => {
    const root = freshRoot(t);
    const before = tree(root);
    await put(root);
    rmSync(join(root, unit));
    rmSync(join(root, 'usr/local/bin/bridgekeeper'));
    await take(root);
    assert.deepEqual(tree(root), before);
  });
});

suite('what others put there', () => {
  const foreign = 'ours since 2009\n';

  /** Somebody's file, with an owner and a mode of its own. */
  function withForeign(t: TestContext): string {
    const root = freshRoot(t);
    mkdirSync(join(root, 'etc/libvirt/hooks/qemu.d'), { recursive: true });
    writeFileSync(join(root, hook), foreign);
    chmodSync(join(root, hook), 0o640);
    if (process.getuid?.() === 0) chownSync(join(root, hook), 1234, 4321);
    symlinkSync('/dev/null', join(root, unit));
    return root;
  }

  test('is not overwritten, every one is named, and nothing else is done', async (t) => {
    const root = withForeign(t);
    const before = tree(root);
    const { code, stderr } = await runCli(['install', '--root', root]);
    assert.equal(code, 2);
    for (const path of [hook, unit]) assert.match(stderr, new RegExp(`${path}: somebody else`));
    assert.match(stderr, /--force/);
    assert.deepEqual(tree(root), before);
  });

  test('--force: it comes back with its bytes, mode and owner', async (t) => {
    const root = withForeign(t);
    const before = tree(root);
    await put(root, { force: true });
    assert.match(readFileSync(join(root, hook), 'utf8'), /bridgekeeper/);
    assert.ok(lstatSync(join(root, unit)).isFile());
    await put(root);
    await take(root);
    assert.deepEqual(tree(root), before);
  });

  test('a directory in the way is refused also with --force', async (t) => {
    const root = freshRoot(t);
    mkdirSync(join(root, sysctl), { recursive: true });
    const before = tree(root);
    const { code, stderr } = await runCli(['install', '--root', root, '--force']);
    assert.equal(code, 2);
    assert.match(stderr, /it is no file/);
    assert.deepEqual(tree(root), before);
  });

  test('the same file as ours, put there by somebody else, stays', async (t) => {
    const root = freshRoot(t);
    const other = freshRoot(t);
    await put(other);
    mkdirSync(join(root, 'etc/sysctl.d'));
    writeFileSync(join(root, sysctl), readFileSync(join(other, sysctl)), { mode: 0o644 });
    const before = tree(root);
    await put(root);
    await take(root);
    assert.deepEqual(tree(root), before);
  });
});

suite('what the administrator edited', () => {
  async function edited(t: TestContext): Promise<string> {
    const root = freshRoot(t);
    await put(root);
    appendFileSync(join(root, unit), '# nice level\nNice=5\n');
    return root;
  }

  test('install refuses; with --force it keeps a copy', async (t) => {
    const root = await edited(t);
    const mine = readFileSync(join(root, unit), 'utf8');
    const { code, stderr } = await runCli(['install', '--root', root]);
    assert.equal(code, 2);
    assert.match(stderr, /bridgekeeper\.service: it was edited/);
    assert.equal(readFileSync(join(root, unit), 'utf8'), mine);
    const forced = await ok('install', '--root', root, '--force');
    const [, copy = ''] = /kept as (\S+)/.exec(forced.stderr) ?? [];
    assert.equal(readFileSync(copy, 'utf8'), mine);
    assert.doesNotMatch(readFileSync(join(root, unit), 'utf8'), /Nice=5/);
  });

  test('a hook that was made not to run counts as edited', async (t) => {
    const root = freshRoot(t);
    await put(root);
    chmodSync(join(root, hook), 0o644);
    assert.match((await runCli(['install', '--root', root])).stderr, /hooks\/qemu\.d\/bridgekeeper: it was edited/);
  });

  test('uninstall leaves it, and names it; everything else goes', async (t) => {
    const root = await edited(t);
    const { stderr } = await ok('uninstall', '--root', root);
    assert.match(stderr, /bridgekeeper\.service was edited, and stays/);
    assert.match(readFileSync(join(root, unit), 'utf8'), /Nice=5/);
    assert.ok(!existsSync(join(root, hook)));
    assert.match((await ok('uninstall', '--root', root)).stderr, /nothing is installed/);
  });

  test('a policy and a state stay, and with --purge nothing does', async (t) => {
    const root = freshRoot(t);
    const before = tree(root);
    const fill = async (): Promise<void> => {
      await put(root);
      writeFileSync(join(root, 'etc/bridgekeeper/policy.yaml'), 'guests: {}\n');
      writeFileSync(join(root, 'var/lib/bridgekeeper/events.db'), 'x');
      appendFileSync(join(root, unit), 'Nice=5\n');
    };
    await fill();
    await take(root);
    for (const path of ['etc/bridgekeeper/policy.yaml', 'var/lib/bridgekeeper/events.db'])
      assert.ok(existsSync(join(root, path)), path);
    rmSync(join(root, unit));
    await fill();
    await take(root, true);
    // directories that the first installation made are those of the second one's machine
    const left = tree(root).filter((line) => !before.includes(line));
    assert.deepEqual(left, []);
  });
});

suite('a root is a root', () => {
  test('a link in it that leads out of it is not followed', async (t) => {
    const root = freshRoot(t);
    const outside = mkdtempSync(join(tmpdir(), 'bridgekeeper-outside-'));
    t.after(() => rmSync(outside, { recursive: true }));
    symlinkSync(outside, join(root, 'etc/sysctl.d'));
    const { code, stderr } = await runCli(['install', '--root', root]);
    assert.equal(code, 2);
    assert.match(stderr, /leads out of/);
    assert.deepEqual(readdirSync(outside), []);
  });

  for (const [what, args] of [
    ['a root that is not there', ['--root', '/nowhere/at/all']],
    ['a relative root', ['--root', 'here']],
    ['a relative prefix', ['--root', '/tmp', '--prefix', 'usr']],
    ['a prefix with a line in it', ['--root', '/tmp', '--prefix', '/usr\nExecStart=x']],
  ] as const) {
    test(`${what}: refused`, async () => assert.equal((await runCli(['install', ...args])).code, 2));
  }
});

suite('what runs as root belongs to root', { skip: process.getuid?.() === 0 ? false : 'owners need root' }, () => {
  const rows: readonly (readonly [what: string, change: (home: string) => void, fault: RegExp | undefined])[] = [
    ['as it is', () => undefined, undefined],
    ['a file that somebody owns', (home) => chownSync(join(home, 'bin/x'), 1000, 1000), /bin\/x$/],
    ['a file that the group may write', (home) => chmodSync(join(home, 'bin/x'), 0o775), /bin\/x$/],
    ['a folder that everybody may write', (home) => chmodSync(join(home, 'bin'), 0o777), /bin$/],
    ['the home itself', (home) => chownSync(home, 1000, 1000), /home$/],
  ];
  for (const [what, change, fault] of rows) {
    test(`${what}: ${fault === undefined ? 'fine' : 'named'}`, (t) => {
      const home = join(freshDirectory(t), 'home');
      mkdirSync(join(home, 'bin'), { recursive: true });
      writeFileSync(join(home, 'bin/x'), '');
      change(home);
      const found = safeHomeFault(home);
      if (fault === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', fault);
    });
  }
});
