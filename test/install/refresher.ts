// A program for confined.test.ts: what the daemon does when a guest came or went, once for each line that it is given, in the
// namespace that it runs in.
import { createInterface } from 'node:readline';
import { refreshRules } from '../../src/apply/live/refresh.ts';
import { local } from '../../src/machine/access.ts';
import { readHost } from '../../src/topology/read.ts';

for await (const _line of createInterface({ input: process.stdin })) {
  const { value } = await readHost();
  if (value === undefined) throw new Error('the host cannot be read');
  const refreshed = await refreshRules({ access: local, state: '/var/lib/bridgekeeper', command: 'refresher' }, value);
  console.log(refreshed === undefined ? 'nothing was applied' : refreshed.changed ? 'changed' : 'the same');
}
