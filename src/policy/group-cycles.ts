// Groups that contain themselves, directly or by way of other groups: each circle is reported once, where it closes.
import { type Diagnostic, error } from '../model/diagnostic.ts';
import type { Group } from '../model/policy.ts';

type Frame = { readonly group: Group; next: number };

export function groupCycles(groups: readonly Group[]): readonly Diagnostic[] {
  const byName = new Map(groups.map((group) => [group.name, group]));
  const done = new Set<Group>();
  return groups.flatMap((group) => (done.has(group) ? [] : cyclesFrom(group, byName, done)));
}

/** Depth first with a stack of our own: a chain of groups may be longer than the call stack. */
function cyclesFrom(start: Group, byName: ReadonlyMap<string, Group>, done: Set<Group>): readonly Diagnostic[] {
  const faults: Diagnostic[] = [];
  const way: Frame[] = [{ group: start, next: 0 }];
  const onWay = new Set([start]);
  for (let frame = way.at(-1); frame !== undefined; frame = way.at(-1)) {
    const member = frame.group.members[frame.next++];
    if (member === undefined) {
      way.pop();
      onWay.delete(frame.group);
      done.add(frame.group);
      continue;
    }
    const inner = byName.get(member.name);
    if (inner === undefined || done.has(inner)) continue;
    if (onWay.has(inner)) faults.push(cycle(inner, way, member.span));
    else {
      way.push({ group: inner, next: 0 });
      onWay.add(inner);
    }
  }
  return faults;
}

function cycle(closing: Group, way: readonly Frame[], span: Diagnostic['span']): Diagnostic {
  const names = way.map(({ group }) => group.name);
  const circle = [...names.slice(names.indexOf(closing.name)), closing.name];
  const shown = circle.length > 9 ? [...circle.slice(0, 4), '...', ...circle.slice(-4)] : circle;
  return error('group-cycle', `group '${closing.name}' contains itself: ${shown.join(' -> ')}`, span);
}
