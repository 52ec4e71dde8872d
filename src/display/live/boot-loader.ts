// GRUB's own configuration, made anew in the guest and looked at: its exit code alone has never meant much.
import { HostError } from '../../model/host-error.ts';
import { type GrubWish, holdsWish } from '../grub.ts';
import type { Guest } from './guest.ts';

/** It probes every disk; on an emulated guest that takes minutes. */
const patienceSeconds = 300;

const update = `if command -v update-grub >/dev/null; then update-grub; else f=/boot/grub/grub.cfg; [ -e "$f" ] || f=/boot/grub2/grub.cfg; c=grub-mkconfig; command -v "$c" >/dev/null || c=grub2-mkconfig; "$c" -o "$f"; fi`;
const show = `f=/boot/grub/grub.cfg; [ -e "$f" ] || f=/boot/grub2/grub.cfg; c=grub-script-check; command -v "$c" >/dev/null || c=grub2-script-check; "$c" "$f" >&2 && cat "$f"`;

const digest = 'f=/boot/grub/grub.cfg; [ -e "$f" ] || f=/boot/grub2/grub.cfg; sha256sum <"$f"';

/** Of GRUB's own configuration; undefined where it cannot be read. @throws HostError as `run` of the guest */
export async function grubDigest(guest: Guest): Promise<string | undefined> {
  const { code, stdout } = await guest.run('/bin/sh', ['-c', digest]);
  return code === 0 ? /^[0-9a-f]{64}/.exec(stdout.toString('latin1'))?.[0] : undefined;
}

/** @param wish what the configuration must hold then; undefined after a way back. @throws HostError 'update-grub' */
export async function updateGrub(guest: Guest, wish: GrubWish | undefined): Promise<void> {
  const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  const made = await guest.run('/bin/sh', ['-c', update], { seconds: patienceSeconds, environment });
  if (made.code !== 0) throw new HostError('update-grub', `update-grub failed in the guest: ${made.said}`);
  const shown = await guest.run('/bin/sh', ['-c', show], { environment });
  if (shown.code !== 0)
    throw new HostError('update-grub', `GRUB does not understand its new configuration: ${shown.said}`);
  if (wish !== undefined && !holdsWish(shown.stdout.toString('utf8'), wish)) {
    throw new HostError('update-grub', "update-grub ran, and GRUB's configuration does not hold what was asked for");
  }
}
