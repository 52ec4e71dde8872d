// A libvirtd of the tests' own: in fresh mount, network and process namespaces, with its files on file systems that end
// with it, without systemd and without KVM. Whatever runs there ends with the namespace.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { ended, nextWords } from './child.ts';
import type { Namespace, Ran } from './namespace.ts';

/** For `node:test`: the reason to skip a test that needs libvirt, or false. */
export const needsLibvirt: string | false = reasonToSkip();

function reasonToSkip(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['/usr/sbin/libvirtd', '/usr/bin/virsh', '/usr/bin/qemu-system-x86_64'].filter(
    (path) => !existsSync(path),
  );
  if (missing.length > 0) return `needs libvirt and QEMU (${missing.join(', ')})`;
  const { status } = spawnSync('unshare', [
    '-n',
    '-m',
    '-p',
    '-f',
    '--mount-proc',
    'mount',
    '-t',
    'tmpfs',
    'x',
    '/run',
  ]);
  return status === 0 ? false : 'needs network, mount and process namespaces';
}

/** Users that Debian's package libvirt-daemon-system would make; QEMU runs as root here. */
const script = `set -e
for place in /run /etc/libvirt /var/lib /var/cache /var/log; do mount -t tmpfs tmpfs $place; done
mkdir /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
# with a KVM that is there and does not work, libvirt would ask QEMU for its capabilities again at every turn
mkdir /run/dev
mount -t tmpfs -o mode=755 tmpfs /run/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /run/dev
mkdir /run/dev/shm /run/dev/pts /run/dev/net
[ ! -e /dev/net/tun ] || cp -a /dev/net/tun /run/dev/net
mount --bind /dev/pts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
ln -s /proc/self/fd /run/dev/fd
mount --rbind /run/dev /dev
{ cat /etc/passwd; echo 'libvirt-qemu:x:64055:64055::/:/bin/false'; } >/run/passwd
{ cat /etc/group; echo 'libvirt-qemu:x:64055:'; echo 'kvm:x:64056:'; } >/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
printf '%s\\n' 'stdio_handler = "file"' 'security_driver = "none"' 'user = "root"' 'group = "root"' \\
  'cgroup_controllers = []' 'namespaces = []' >/etc/libvirt/qemu.conf
printf '%s\\n' 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' 'unix_sock_ro_perms = "0700"' >/etc/libvirt/libvirtd.conf
ip link set lo up
# libvirt 9 sometimes waits for ever for the QEMU that it asks for its capabilities: then another one does better
for attempt in 1 2 3 4; do
  libvirtd --pid-file /run/libvirtd.pid 2>/run/libvirtd.log &
  for turn in $(seq 300); do
    if timeout 10 virsh -q -c qemu:///system list >/dev/null 2>&1; then break; fi
    sleep 0.1
  done
  if timeout 60 virsh -q -c qemu:///system domcapabilities >/dev/null 2>&1; then break; fi
  kill -9 $! || true
  wait $! || true
  rm -f /run/libvirtd.pid
done
timeout 10 virsh -q -c qemu:///system list >/dev/null || { cat /run/libvirtd.log >&2; exit 1; }
echo ready
cat >/dev/null
`;

export async function freshLibvirt(): Promise<Namespace> {
  const holder = spawn('unshare', ['-n', '-m', '-p', '-f', '--mount-proc', '--kill-child', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (!(await nextWords(holder)).startsWith('ready')) throw new Error('libvirtd did not start');
  const inside = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim();
  return {
    pid: Number(inside),
    run: (program, args, input) => ran(['-n', '-m', '-p', '-t', inside, '--', program, ...args], input),
    close: async () => {
      const gone = ended(holder);
      holder.stdin.end();
      await gone;
    },
  };
}

function ran(args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile('nsenter', [...args], { maxBuffer: 1 << 26 }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code ?? 127), stdout, stderr });
    });
    // a program that does not read its input may close it first
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
