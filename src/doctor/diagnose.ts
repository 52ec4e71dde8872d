// One diagnosis: ask the machine, probe it when that is wanted, decide.
import type { Access } from '../machine/access.ts';
import { type Diagnosis, decide } from './decide.ts';
import type { Facts } from './facts.ts';
import { gather } from './gather.ts';
import { probe } from './probe.ts';
import type { Sightings } from './sightings.ts';

export type Examination = Diagnosis & { readonly facts: Facts; readonly probe: Sightings | undefined };

/** @throws HostError 'cannot-ask', 'cannot-probe' */
export async function diagnose(access: Access, options: { readonly probe: boolean }): Promise<Examination> {
  const facts = await gather(access);
  const sightings = options.probe ? await probe(access, facts) : undefined;
  return { ...decide(facts, sightings), facts, probe: sightings };
}
