// Changes to a machine as a user meets them: shown, asked about, done, and taken back.
import type { Access } from '../machine/access.ts';
import { type ChangeSet, printChange } from '../machine/change.ts';
import { applyChanges, openChanges, undoChanges } from '../machine/change-log.ts';
import type { ChangeRecord } from '../machine/change-records.ts';
import { HostError } from '../model/host-error.ts';
import { agreed } from './ask.ts';
import { exitCodes } from './exit-codes.ts';
import { print, safeLines, tell } from './output.ts';

/** `undo` is the command that takes it back, without the number of the change. @throws HostError as applyChanges and agreed */
export async function doChanges(
  access: Access,
  state: string,
  plan: ChangeSet,
  yes: boolean | undefined,
  undo: string,
): Promise<number> {
  print(`${plan.title}:`);
  for (const change of plan.changes) print(safeLines(printChange(change)));
  if (!(await agreed('Do this?', yes))) {
    tell('nothing was changed');
    return exitCodes.refused;
  }
  const record = await applyChanges(access, state, plan);
  tell(record === undefined ? 'nothing to do' : `done; to take it back: ${undo} ${record.id}`);
  return exitCodes.fine;
}

/** Of the changes with one of `names`; the latest without an id. @throws HostError 'no-such-change', and as undoChanges */
export async function takeBack(
  access: Access,
  state: string,
  id: string | true,
  names: readonly string[],
): Promise<ChangeRecord> {
  const open = openChanges(state, access.host).filter(({ name }) => names.includes(name));
  const record = id === true ? open[0] : open.find((one) => one.id === id);
  if (record === undefined) {
    const known = open.length === 0 ? 'there is none' : `there are ${open.map((one) => one.id).join(', ')}`;
    throw new HostError('no-such-change', `no change ${id === true ? '' : `'${id}' `}to take back: ${known}`);
  }
  await undoChanges(access, state, record);
  return record;
}
