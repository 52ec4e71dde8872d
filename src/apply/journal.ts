// What is on the disk while a change waits for its confirmation, as data: everything that is needed to know what waits,
// until when, and what becomes of it. The rules to go back to lie beside it as files that need no program of ours.
import { z } from 'zod';
import type { Step } from './loaded.ts';

/** The name of the file that says how far it is; it is renamed, which one only can do. */
export type Stage = 'armed' | 'confirmed' | 'firing' | 'rolled-back' | 'failed';

export const stageNames: readonly Stage[] = ['armed', 'confirmed', 'firing', 'rolled-back', 'failed'];

export type Journal = {
  /** The generation that is being tried, and the one that comes back. */
  readonly generation: number;
  readonly previous?: number | undefined;
  /** Milliseconds since 1970. */
  readonly begun: number;
  readonly deadline: number;
  readonly pid: number;
};

const journalFile = z.object({
  version: z.literal(1),
  generation: z.int(),
  previous: z.int().optional(),
  begun: z.number(),
  deadline: z.number(),
  pid: z.int(),
});

export function printJournal(journal: Journal): string {
  return `${JSON.stringify({ version: 1, ...journal }, undefined, 2)}\n`;
}

/** Undefined for what is no journal. */
export function parseJournal(text: string): Journal | undefined {
  try {
    const { version: _, ...journal } = journalFile.parse(JSON.parse(text));
    return journal;
  } catch {
    return undefined;
  }
}

/** In the order of their names; the tool is the ending. `exact` first, `anywhere` when those are refused. */
export function stepFiles(way: 'exact' | 'anywhere', steps: readonly Step[]): readonly (readonly [string, string])[] {
  return steps.map(({ tool, text }, index) => [`${way}.${index}.${tool}`, text]);
}

/** live/token.ts says what for. */
export const tokenTable = 'bridge bk_wait';

/**
 * Waits, and puts the previous rules back unless `armed` is gone by then: whoever renames it decides. Plain sh and the
 * tools themselves: it must work when this program is broken, updated or killed. SIGHUP and the rest are not for it.
 */
export const timerScript = `#!/bin/sh
# Puts the previous rules back after $2 seconds, unless the change in the directory $1 was confirmed by then.
trap '' HUP INT TERM PIPE
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$1" || exit 2
echo $$ >timer.pid.new && mv timer.pid.new timer.pid || exit 2
sleep "$2"
# a disk that cannot be written any more must not keep the rules
mv armed firing 2>/dev/null || [ -e armed ] || exit 0
log=rollback.log
{ true >>"$log"; } 2>/dev/null || log=/dev/null
# still there: the new rules were never loaded, and cannot be any more
nft delete table ${tokenTable} 2>/dev/null && { mv firing rolled-back 2>/dev/null; exit 0; }
load() {
  for file in "$1".*; do
    case $file in
      *.nft) nft -f "$file" ;;
      *.iptables) iptables-restore -w 5 --noflush <"$file" ;;
      # a bridge that is gone meanwhile is no reason to keep the rules
      *.ip) ip -force -batch "$file" || : ;;
      *) ;;
    esac || return 1
  done
}
tries=0
until { load exact || load anywhere; } >>"$log" 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 5 ] || { mv firing failed; exit 1; }
  sleep 1
done
mv firing rolled-back
`;
