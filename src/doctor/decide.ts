// Facts, and where a probe was seen -> one verdict for each path. Pure: the whole decision table is here and in the files
// beside it. A path is only blamed for what is lost in it; what never came to it is the fault of a path before.
import { decideFiles } from './decide-files.ts';
import { decideJournal } from './decide-journal.ts';
import { decideNflog } from './decide-nflog.ts';
import { decideKmsg, decideRing } from './decide-ring.ts';
import { decideRules } from './decide-rules.ts';
import type { Facts } from './facts.ts';
import { type MachineKind, machineKind } from './machine-kind.ts';
import type { Sightings } from './sightings.ts';
import { paths, type Verdict } from './verdict.ts';

export type Diagnosis = { readonly kind: MachineKind; readonly verdicts: readonly Verdict[] };

export function decide(facts: Facts, probe?: Sightings): Diagnosis {
  const kind = machineKind(facts.machine);
  const ring = decideRing(facts, kind, probe);
  const kmsg = decideKmsg(facts, kind, probe);
  const journal = decideJournal(facts, kmsg, probe);
  const found = [
    decideRules(facts, probe),
    ring,
    kmsg,
    journal,
    ...decideFiles(facts, kind, { ring, kmsg, journal }, probe),
    decideNflog(facts, probe),
  ];
  return { kind, verdicts: paths.flatMap((path) => found.filter((one) => one.path === path)) };
}
