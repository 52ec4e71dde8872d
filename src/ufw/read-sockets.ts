// Asks a machine who is connected to its sshd and where that listens: from /proc, so that neither ss nor a certain version
// of it is needed.
import type { Access } from '../machine/access.ts';
import { run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import { rollbackFolder } from './rollback.ts';
import { type SshFacts, sshFacts } from './sockets.ts';

/** sudo takes SSH_CONNECTION away: then a parent still has it. The nearest comes first. */
const callers = [
  'p=$$; n=0;',
  'while [ "0$p" -gt 1 ] && [ $n -lt 64 ]; do',
  'tr "\\000" "\\n" <"/proc/$p/environ" | while IFS= read -r v; do case "$v" in SSH_CONNECTION=*) printf "env %s\\n" "$v";; esac; done;',
  'parent=; while read -r k v rest; do [ "$k" = PPid: ] && parent=$v; done <"/proc/$p/status"',
  '; p=$parent; n=$((n+1)); done',
].join(' ');

const sockets = 'cat /proc/net/tcp /proc/net/tcp6 | grep -E " (0A|01) " | sed "s/.*/tcp &/"';

/** Only root's: anybody can call a program of his sshd. systemd holds the socket where it starts sshd. */
const owners = [
  'for d in /proc/[0-9]*; do name=; uid=; while read -r k v rest; do case "$k" in Name:) name=$v;; Uid:) uid=$v; break;; esac; done <"$d/status"; [ "$uid" = 0 ] || continue;',
  'case "$name" in sshd|sshd-session|sshd-auth|dropbear|systemd) ;; *) continue;; esac;',
  'i=$(basename "$d"); printf "proc %s %s %s\\n" "$i" "$name" "$(tr "\\000" " " <"$d/cmdline")";',
  'ls -l "$d/fd" | sed -n "s/.*socket:\\[\\([0-9]*\\)\\].*/fd $i \\1/p"; done',
].join(' ');

/** What it is configured for, as another witness. */
const configured = 'sshd -T | while read -r k v rest; do [ "$k" = port ] && printf "port %s\\n" "$v"; done';

const interfaces = 'ip -o link show up | sed "s/.*/link &/"';

const pending = `for f in ${rollbackFolder}/ufw-pending-*; do [ -e "$f" ] && printf "pending\\n"; done`;

const snapshotScript = `exec 2>/dev/null; PATH=$PATH:/usr/sbin:/sbin; ${callers}; ${sockets}; ${owners}; ${configured}; ${interfaces}; ${pending}; exit 0`;

export type SshSnapshot = SshFacts & {
  /** ufw was turned on, and waits to be confirmed. */
  readonly pending: boolean;
};

/** By one connection: a firewall may count them. @throws HostError 'no-sockets' */
export async function readSshFacts(access: Access): Promise<SshSnapshot> {
  const { code, stdout, said } = await run(access, 'sh', ['-c', snapshotScript]);
  if (code !== 0) throw new HostError('no-sockets', `cannot see who is connected by SSH (${said || `exit ${code}`})`);
  const text = stdout.toString('latin1');
  return { ...sshFacts(text), pending: text.split('\n').includes('pending') };
}
