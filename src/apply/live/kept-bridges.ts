// Which bridges the rules in force manage, told to whoever makes rules for the host of today.
import type { Host } from '../../model/host.ts';
import type { Policy } from '../../model/policy.ts';
import { emptiedBridges, keepManaged } from '../kept-bridges.ts';
import { currentGeneration, listOfGeneration } from './facts.ts';
import { readPending } from './pending.ts';

/** @throws HostError 'unreadable' */
export function withKeptBridges(state: string, policy: Policy, host: Host): Host {
  const emptied = new Set(emptiedBridges(policy, host));
  const current = emptied.size === 0 ? undefined : currentGeneration(state, readPending(state));
  const list = current === undefined ? undefined : listOfGeneration(state, current);
  const managed = list?.ground.bridges.map(({ name }) => name) ?? [];
  return keepManaged(host, new Set(managed.filter((name) => emptied.has(name))));
}
