// The `### tuple ###` lines of ufw's user.rules and the rules that ufw writes from them: it reads only these lines, and
// writes the rules anew whenever a rule, the log level or ufw itself is changed (ufw 0.36.2, backend_iptables.py).
import type { Family } from '../model/ip.ts';

/** One rule as ufw knows it, in ufw's own words. */
export type Tuple = {
  readonly action: 'allow' | 'deny' | 'reject' | 'limit';
  /** Between other machines: it does not count for what comes to this one. */
  readonly routed: boolean;
  readonly protocol: string;
  readonly dport: string;
  readonly dst: string;
  readonly sport: string;
  readonly src: string;
  readonly direction: 'in' | 'out';
  readonly iif?: string;
  readonly oif?: string;
  /** Profile names with `%20` for blanks; `-` is none. */
  readonly dapp: string;
  readonly sapp: string;
};

/** Lines that ufw would pass over are passed over. */
export function tuplesOf(text: string): readonly Tuple[] {
  return text.split('\n').flatMap((line) => {
    const rest = /^### tuple ###\s*(.*)$/s.exec(line)?.[1];
    const tuple = rest === undefined ? undefined : tupleOf((rest.split(' comment=')[0] ?? '').trim().split(/\s+/));
    return tuple === undefined ? [] : [tuple];
  });
}

function tupleOf(words: readonly string[]): Tuple | undefined {
  if (words.length < 6 || words.length > 9) return undefined;
  const [verb = '', protocol = '', dport = '', dst = '', sport = '', src = ''] = words;
  const routed = verb.includes(':');
  const action = actionOf((routed ? verb.split(':')[1] : verb) ?? '');
  const where = words.length % 2 === 1 ? whereOf(words.at(-1) ?? '') : { direction: 'in' as const };
  if (where === undefined || !isPort(dport) || !isPort(sport)) return undefined;
  const [dapp = '-', sapp = '-'] = words.length < 8 ? [] : words.slice(6, 8);
  return { action, routed, protocol, dport, dst, sport, src, dapp, sapp, ...where };
}

/** ufw takes for `deny` what it does not know. */
function actionOf(verb: string): Tuple['action'] {
  const action = verb.toLowerCase().split('_')[0];
  return action === 'allow' || action === 'reject' || action === 'limit' ? action : 'deny';
}

function isPort(word: string): boolean {
  return word === 'any' || /^\d{1,5}(?::\d{1,5})?(?:,\d{1,5}(?::\d{1,5})?){0,14}$/.test(word);
}

/** `in`, `out`, `in_eth0`, `out_eth0`, `in_eth0!out_eth1`. */
function whereOf(word: string): Pick<Tuple, 'direction' | 'iif' | 'oif'> | undefined {
  const match = /^(in|out)(?:_([^!\s]{1,15}))?(?:!out_([^!\s]{1,15}))?$/.exec(word);
  if (match === null) return undefined;
  const [, direction, name, out] = match;
  if (direction === 'out') return { direction: 'out', ...(name !== undefined && { oif: name }) };
  return { direction: 'in', ...(name !== undefined && { iif: name }), ...(out !== undefined && { oif: out }) };
}

/** What a tuple is in the chain of packets that come in; none for others. Log rules, which decide nothing, are left out. */
export function inputRules(tuple: Tuple, family: Family): readonly string[] {
  if (tuple.routed || tuple.direction === 'out') return [];
  const head = `-A ${prefixOf(family)}-user-input`;
  return matchesOf(tuple, family).flatMap((match) => {
    const rule = match === '' ? head : `${head} ${match}`;
    return endings(tuple, family, match).map((ending) => `${rule} ${ending}${commentOf(tuple)}`);
  });
}

function prefixOf(family: Family): string {
  return family === 4 ? 'ufw' : 'ufw6';
}

/** A rule of any protocol with a port becomes two. */
function matchesOf(tuple: Tuple, family: Family): readonly string[] {
  if (tuple.protocol !== 'any') return [matchOf(tuple, tuple.protocol, family)];
  if (tuple.dport === 'any' && tuple.sport === 'any') return [matchOf(tuple, '', family)];
  return ['tcp', 'udp'].map((protocol) => matchOf(tuple, protocol, family));
}

function matchOf({ iif, dport, sport, dst, src }: Tuple, protocol: string, family: Family): string {
  const everywhere = family === 4 ? '0.0.0.0/0' : '::/0';
  const isMulti = /[,:]/.test(`${dport}${sport}`);
  const ports = (flag: string, value: string): string[] => (value === 'any' ? [] : [`${flag} ${value}`]);
  return [
    ...(iif === undefined ? [] : [`-i ${iif}`]),
    ...(protocol === '' ? [] : [`-p ${protocol}`]),
    ...(isMulti ? [...ports('-m multiport --dports', dport), ...ports('-m multiport --sports', sport)] : []),
    ...(dst === everywhere ? [] : [`-d ${dst}`]),
    ...(isMulti ? [] : ports('--dport', dport)),
    ...(src === everywhere ? [] : [`-s ${src}`]),
    ...(isMulti ? [] : ports('--sport', sport)),
  ].join(' ');
}

function endings({ action }: Tuple, family: Family, match: string): readonly string[] {
  switch (action) {
    case 'allow':
      return ['-j ACCEPT'];
    case 'reject':
      return [match.includes('-p tcp') ? '-j REJECT --reject-with tcp-reset' : '-j REJECT'];
    case 'limit':
      return [
        '-m conntrack --ctstate NEW -m recent --set',
        `-m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ${prefixOf(family)}-user-limit`,
        `-j ${prefixOf(family)}-user-limit-accept`,
      ];
    case 'deny':
      return ['-j DROP'];
  }
}

function commentOf({ dapp, sapp }: Tuple): string {
  const names = [...(dapp === '-' ? [] : [`dapp_${dapp}`]), ...(sapp === '-' ? [] : [`sapp_${sapp}`])];
  return names.length === 0 ? '' : ` -m comment --comment '${names.join(',')}'`;
}
