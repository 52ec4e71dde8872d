// A process of its own on the machine itself that turns ufw off again unless somebody confirms in time: it outlives our
// command, the connection and the session. Whoever moves the mark away first, the confirmation or the timer, has decided.
import { randomBytes } from 'node:crypto';
import type { Access } from '../machine/access.ts';
import { replaceFile } from '../machine/files.ts';
import { run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';

export const rollbackFolder = '/run/bridgekeeper';

/** `$1` is the token, `$2` the seconds. ufw says that it is off also where its chains could not be taken away. */
const timerScript = `#!/bin/sh
dir=${rollbackFolder}
PATH=$PATH:/usr/sbin:/sbin
off() { ufw disable && ! { iptables-save; ip6tables-save; } | grep -q "^:ufw6*-user-input "; }
echo $$ >"$dir/ufw-timer-$1"
sleep "$2"
if mv "$dir/ufw-pending-$1" "$dir/ufw-expired-$1" 2>/dev/null; then
  tries=0
  until off >>"$dir/ufw-expired-$1" 2>&1; do
    tries=$((tries + 1))
    if [ $tries -ge 5 ]; then
      /lib/ufw/ufw-init force-stop >>"$dir/ufw-expired-$1" 2>&1
      break
    fi
    sleep 1
  done
fi
rm -f "$dir/ufw-timer-$1" "$0"
`;

/** A service of its own where there is systemd: logind may end what a session leaves behind. */
const armScript = [
  `dir=${rollbackFolder}; umask 077; rm -f "$dir"/ufw-expired-*; : >"$dir/ufw-pending-$1" || exit 1`,
  // it is there at once, as a rule; not every sleep knows parts of a second
  'nap() { if [ $n -lt 5 ]; then sleep 0.1 || sleep 1; else sleep 1; fi; }',
  'started() { n=0; while [ $n -lt "$1" ]; do if read -r pid <"$dir/ufw-timer-$2" && kill -0 "$pid"; then return 0; fi; n=$((n+1)); nap; done 2>/dev/null; return 1; }',
  // a service of its own where there is systemd: logind may end what a session leaves behind
  'if [ -d /run/systemd/system ] && systemd-run --unit="bridgekeeper-ufw-$1" sh "$3" "$1" "$2" >/dev/null 2>&1 && started 8 "$1"; then exit 0; fi',
  'if command -v setsid >/dev/null 2>&1; then setsid sh "$3" "$1" "$2" </dev/null >/dev/null 2>&1 & else (trap "" HUP; exec sh "$3" "$1" "$2") </dev/null >/dev/null 2>&1 & fi',
  'started 10 "$1" && exit 0; rm -f "$dir/ufw-pending-$1"; echo "it does not run" >&2; exit 1',
].join('; ');

/** Comes back when the timer was seen running. @throws HostError 'unwritable', 'no-timer' */
export async function armRollback(access: Access, seconds: number): Promise<string> {
  const token = randomBytes(6).toString('hex');
  const script = `${rollbackFolder}/ufw-script-${token}`;
  await replaceFile(access, script, Buffer.from(timerScript), '700');
  const { code, said } = await run(access, 'sh', ['-c', armScript, 'sh', token, `${seconds}`, script]);
  if (code === 0) return token;
  throw new HostError(
    'no-timer',
    `ufw was not turned on: the timer that would turn it off again cannot be started (${said})`,
  );
}

const disarmScript = `rm -f "${rollbackFolder}/ufw-pending-$1"`;

export async function disarm(access: Access, token: string): Promise<void> {
  await run(access, 'sh', ['-c', disarmScript, 'sh', token]);
}

const nothingPending = 44;

const confirmScript = [
  `PATH=$PATH:/usr/sbin:/sbin; taken=; for f in ${rollbackFolder}/ufw-pending-*; do`,
  'if [ -e "$f" ] && mv "$f" "$f.taken"; then rm -f "$f.taken"; taken=1; fi; done;',
  `[ -n "$taken" ] || exit ${nothingPending}; exec ufw --force enable`,
].join(' ');

/** Takes the mark away and has ufw turned on for good; says whether there was a mark. @throws HostError 'ufw-failed' */
export async function confirmPending(access: Access): Promise<boolean> {
  const { code, said } = await run(access, 'sh', ['-c', confirmScript], { timeoutMs: 120_000 });
  if (code !== 0 && code !== nothingPending) throw new HostError('ufw-failed', `ufw failed to stay on: ${said}`);
  return code === 0;
}
