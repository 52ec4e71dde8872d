// What ufw said when it started, by the journal of this boot. Anybody may write under ufw's name: nothing is done on the
// strength of a line alone.
import type { Access } from '../machine/access.ts';
import { run } from '../machine/run.ts';

export type StartLog = { readonly text: string } | { readonly missing: string };

const matches = [
  '_SYSTEMD_UNIT=ufw.service',
  'SYSLOG_IDENTIFIER=ufw',
  'SYSLOG_IDENTIFIER=ufw-init',
  'UNIT=ufw.service',
];

export async function journalOfStart(access: Access): Promise<StartLog> {
  const alternatives = matches.flatMap((match, at) => (at === 0 ? [match] : ['+', match]));
  const ran = await run(access, 'journalctl', ['-b', '-q', '-a', '--no-pager', '-o', 'short', ...alternatives]);
  const said = ran.said.split('\n')[0] ?? '';
  if (ran.code === 127) return { missing: 'there is no journalctl' };
  if (ran.code !== 0 && ran.stdout.length === 0 && said !== '') return { missing: said };
  return { text: ran.stdout.toString('latin1') };
}
