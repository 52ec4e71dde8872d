// What is wrong with policy and host, for -o json: beside what is done all the same, or instead of it.
import type { Target } from '../apply/target.ts';
import { type Checked, type Diagnostic, inTextOrder } from '../model/diagnostic.ts';
import { allPorts } from '../model/host.ts';
import { exitCodes } from './exit-codes.ts';
import { type Format, printJson } from './output.ts';

/** Of managed bridges. */
type ClosedPort = {
  readonly port: string;
  readonly bridge: string;
  /** As the policy calls who should be there, or the host who is. */
  readonly guest?: string;
};

export type FaultData = {
  /** In the order of the text; as `check` has them. */
  readonly diagnostics: readonly Diagnostic[];
  /** Not there when the faults are too many to make rules. */
  readonly closed?: {
    readonly ports: readonly ClosedPort[];
    /** Guests of the policy for whom no port is open: they have a fault, or are not here. */
    readonly guests: readonly string[];
  };
};

export function faultData({ value, diagnostics }: Checked<Target>): FaultData {
  return { diagnostics: inTextOrder(diagnostics), ...(value !== undefined && { closed: closedOf(value) }) };
}

function closedOf({ policy, host, list }: Target): NonNullable<FaultData['closed']> {
  const ports = list.ground.bridges.flatMap((bridge) => bridge.ports);
  const open = new Set(ports.flatMap(({ guest }) => guest ?? []));
  const wanted = new Map(
    policy.guests.flatMap(({ name, port }) => (port === undefined ? [] : [[port, name] as const])),
  );
  const present = new Map(allPorts(host).map(({ name, guest }) => [name, guest]));
  return {
    ports: ports
      .filter(({ kind }) => kind === 'closed')
      .map(({ name: port, bridge }) => {
        const guest = wanted.get(port) ?? present.get(port);
        return { port, bridge, ...(guest !== undefined && { guest }) };
      }),
    guests: policy.guests.map(({ name }) => name).filter((name) => !open.has(name)),
  };
}

/** There are faults that leave no rules: they are all that there is to print. */
export function noRules(kind: string, faults: FaultData & { readonly outcome?: 'faults' }, output: Format): number {
  if (output === 'json') printJson(kind, faults);
  return exitCodes.faults;
}
