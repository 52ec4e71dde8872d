// The numbered list as a table: what the administrator reads.
import type { Entry, ListRule, Place, RuleList } from '../model/rule-list.ts';
import { unreachable } from '../model/unreachable.ts';
import { styled, table } from './output.ts';

export function ruleTable({ entries }: RuleList): string {
  const header = ['RULE', 'PORT', 'DIRECTION', 'VERDICT', 'LOG', 'WHAT', 'FROM LINE'];
  const lines = table(header, entries.map(ruleCells));
  return lines.map((line, index) => (entries[index - 1]?.kind === 'heading' ? styled('dim', line) : line)).join('\n');
}

/** One row, as the header of `ruleTable` names the columns. */
export function ruleCells(entry: Entry): readonly string[] {
  if (entry.kind === 'heading') return [String(entry.number), '', '', '', '', `-- ${entry.text}`];
  const { place, verdict, log, text, origin } = entry;
  const number = entry.number === undefined ? '' : String(entry.number);
  return [
    number,
    placeName(place),
    direction(entry),
    verdict.toUpperCase(),
    log ? 'log' : '',
    text,
    `${fileName(origin.file)}:${origin.line}`,
  ];
}

function fileName(file: string): string {
  return file.split('/').at(-1) ?? file;
}

function placeName(place: Place): string {
  switch (place.kind) {
    case 'port':
      return place.port;
    case 'host':
      return place.ifname;
    case 'everywhere':
      return 'all';
    default:
      return unreachable(place);
  }
}

function direction({ place }: ListRule): string {
  switch (place.kind) {
    case 'port':
      return place.direction;
    case 'host':
      return `host ${place.direction}`;
    case 'everywhere':
      return '-';
    default:
      return unreachable(place);
  }
}
