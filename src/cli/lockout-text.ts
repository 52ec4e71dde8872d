// Why the administrator would be locked out, for the administrator.
import type { Lockout } from '../apply/lockout.ts';
import { printIp } from '../model/ip.ts';

export function lockoutText(found: readonly Lockout[]): string {
  const lines = new Set(found.map(line));
  return ['this would lock you out:', ...[...lines].map((text) => `  ${text}`)].join('\n');
}

function line({ session, what, direction, rule, by }: Lockout): string {
  const { client, server, serverPort, dev } = session;
  const connection = `${printIp(client)} to ${printIp(server)} port ${serverPort} by ${dev}`;
  const subject = {
    session: `your SSH connection from ${connection}`,
    'new connection': `a new SSH connection from ${connection}`,
    ARP: `ARP between ${printIp(session.nextHop)} and ${printIp(server)} by ${dev}`,
  }[what];
  const way = direction === 'in' ? 'on the way in' : 'on the way out';
  const named = rule?.number === undefined ? undefined : `RULE ${rule.number} (${rule.text})`;
  const place = by === undefined ? 'the rules' : `table ${by.family} ${by.table}, chain ${by.chain}`;
  const hint =
    what === 'session' && !session.tracked ? '; connection tracking does not know it yet, as it began before' : '';
  return `${named ?? place} drops ${subject}, ${way}${hint}`;
}
