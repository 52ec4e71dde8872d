// The states of a TCP connection as connection tracking sees them: the table tcp_conntracks of
// net/netfilter/nf_conntrack_proto_tcp.c. Windows are not checked: the simulator sends none that are out of place.
import type { TcpFlag } from '../model/match.ts';

export type Direction = 'original' | 'reply';

const states = [
  'none',
  'syn-sent',
  'syn-received',
  'established',
  'fin-wait',
  'close-wait',
  'last-ack',
  'time-wait',
  'close',
  'syn-sent-2',
] as const;

export type TcpState = (typeof states)[number];

/** Two letters for each state of `states`, in its order; IV invalid, IG ignored. */
const table: Readonly<Record<Direction, Readonly<Record<string, string>>>> = {
  original: {
    syn: 'SS SS IG IG IG IG IG SS SS S2',
    synack: 'IV IV SR IV IV IV IV IV IV SR',
    fin: 'IV IV FW FW LA LA LA TW CL IV',
    ack: 'ES IV ES ES CW CW TW TW CL IV',
    rst: 'IV CL CL CL CL CL CL CL CL CL',
    none: 'IV IV IV IV IV IV IV IV IV IV',
  },
  reply: {
    syn: 'IV S2 IV IV IV IV IV SS IV S2',
    synack: 'IV SR IG IG IG IG IG IG IG SR',
    fin: 'IV IV FW FW LA LA LA TW CL IV',
    ack: 'IV IG SR ES CW CW TW TW CL IG',
    rst: 'IV CL CL CL CL CL CL CL CL CL',
    none: 'IV IV IV IV IV IV IV IV IV IV',
  },
};

const codes: Readonly<Record<string, TcpState | 'invalid' | 'ignore'>> = {
  SS: 'syn-sent',
  SR: 'syn-received',
  ES: 'established',
  FW: 'fin-wait',
  CW: 'close-wait',
  LA: 'last-ack',
  TW: 'time-wait',
  CL: 'close',
  S2: 'syn-sent-2',
  IV: 'invalid',
  IG: 'ignore',
};

export function nextTcpState(
  state: TcpState,
  direction: Direction,
  flags: readonly TcpFlag[],
): TcpState | 'invalid' | 'ignore' {
  if (!validFlags(flags)) return 'invalid';
  const row = table[direction][flagKind(flags)]?.split(' ') ?? [];
  return codes[row[states.indexOf(state)] ?? 'IV'] ?? 'invalid';
}

/** get_conntrack_index() */
function flagKind(flags: readonly TcpFlag[]): string {
  if (flags.includes('rst')) return 'rst';
  if (flags.includes('syn')) return flags.includes('ack') ? 'synack' : 'syn';
  if (flags.includes('fin')) return 'fin';
  return flags.includes('ack') ? 'ack' : 'none';
}

/** tcp_valid_flags: these without ECE, CWR and PSH, and nothing else, may stand in a header. */
function validFlags(flags: readonly TcpFlag[]): boolean {
  const known = (['syn', 'rst', 'fin', 'ack', 'urg'] as const).filter((flag) => flags.includes(flag)).join(' ');
  return ['syn', 'syn urg', 'syn ack', 'rst', 'rst ack', 'fin ack urg', 'fin ack', 'ack', 'ack urg'].includes(known);
}
