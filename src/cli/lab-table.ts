// What a lab came to, as one table: attack, victims, poisoned, relayed, rule and port that stopped it, prediction.
import { type AttackReport, type LabReport, wasTried } from '../lab/lab.ts';
import { variantName } from './lab-variant.ts';
import { table } from './output.ts';

export function attackTable(reports: readonly LabReport[], simulated: boolean): string {
  const header = [
    'RULES',
    '#',
    'ATTACKER',
    'VICTIMS',
    'POISONED',
    'CAUGHT',
    'RELAYED',
    'PINGS',
    'STOPPED BY',
    simulated ? '' : 'PREDICTION',
  ];
  const rows = reports.flatMap((report) => report.attacks.map((attack) => attackRow(report, attack, simulated)));
  return table(header, rows).join('\n');
}

function attackRow(report: LabReport, one: AttackReport, simulated: boolean): readonly string[] {
  const { attack, outcome, differences } = one;
  const [a, b] = attack.victims;
  const running = attack.running ? ' (running flow)' : '';
  return [
    variantName(report),
    String(attack.number),
    attack.attacker.node,
    `${a.node} <-> ${b.node}${running}`,
    `${outcome.poisoned} of 2`,
    String(outcome.caught),
    String(outcome.relayed),
    `${outcome.answered} of ${outcome.probes}`,
    wasTried(one) ? stopText(outcome.stops, outcome.poisoned) : 'not tried: the policy allows no such flow',
    simulated ? '' : differences.length === 0 ? 'matched' : `${differences.length} differ`,
  ];
}

function stopText(stops: AttackReport['outcome']['stops'], poisoned: number): string {
  if (poisoned === 0) return 'the lie itself was denied';
  return [...new Set(stops.map(placeText))].join(', ') || '-';
}

/** On the way in a frame has no way out yet; the host's own has none in. */
function placeText({ number, from, to }: AttackReport['outcome']['stops'][number]): string {
  return `RULE ${number} ${from === '' ? 'host' : from}${to === '' ? '' : `>${to}`}`;
}

export function flowText(report: LabReport): string {
  if (report.flows.length === 0) return '';
  const allowed = report.flows.filter(({ flow }) => flow.allowed);
  const denied = report.flows.filter(({ flow }) => !flow.allowed);
  const right = (some: LabReport['flows']): string => `${some.filter(({ ok }) => ok).length} of ${some.length}`;
  return `[${variantName(report)}] connections: ${right(allowed)} allowed ones work, ${right(denied)} others are denied`;
}
