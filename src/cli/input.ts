// Which host and which policy a command is about: a directory, two files, standard input, or the live machine.
import { join } from 'node:path';
import { settlePolicy } from '../compile/settle.ts';
import {
  type Checked,
  type Diagnostic,
  hasErrors,
  inTextOrder,
  printDiagnostic,
  type Span,
} from '../model/diagnostic.ts';
import { allPorts, type Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { Policy } from '../model/policy.ts';
import { parsePolicy } from '../policy/parse-policy.ts';
import { parseHost } from '../topology/host-file.ts';
import { readHost } from '../topology/read.ts';
import type { AskedAgents } from '../topology/read-libvirt.ts';
import { tell } from './output.ts';
import { readInput } from './read-input.ts';

export type InputOptions = { readonly host?: string; readonly policy?: string };

const livePolicy = '/etc/bridgekeeper/policy.yaml';

/** More than any policy needs; a file that is larger is not a policy. */
const mostBytes = 16 * 1024 * 1024;

export type Inputs = {
  readonly policy: Policy;
  readonly host: Host;
  readonly policyText: string;
  /** The text of a line; of the live host there is none. */
  readonly lineText: (span: Span) => string | undefined;
};

/** `-` is standard input; without a file of the host the live one is meant. */
export function inputFiles(
  directory: string | undefined,
  { policy, host }: InputOptions,
): { readonly policy: string; readonly host: string | undefined } {
  return {
    policy: policy ?? (directory === undefined ? livePolicy : join(directory, 'policy.yaml')),
    host: host ?? (directory === undefined ? undefined : join(directory, 'host.yaml')),
  };
}

/** What is in the files, and everything that is wrong with them. */
export async function readInputs(directory: string | undefined, options: InputOptions): Promise<Checked<Inputs>> {
  if (options.host === '-' && options.policy === '-') {
    throw new HostError('usage', 'standard input can be the host or the policy, not both');
  }
  const { policy: policyFile, host: hostFile } = inputFiles(directory, options);
  const policyText = readText(policyFile);
  const hostText = hostFile === undefined ? undefined : readText(hostFile);
  const policy = parsePolicy(policyText, nameOf(policyFile));
  const host =
    hostFile === undefined || hostText === undefined
      ? await readHost(askedAgents(policy.value))
      : parseHost(hostText, nameOf(hostFile));
  const diagnostics = [...policy.diagnostics, ...host.diagnostics];
  if (policy.value === undefined || host.value === undefined) return { diagnostics };
  const lineText = linesOf([
    [nameOf(policyFile), policyText],
    [nameOf(hostFile ?? ''), hostText ?? ''],
  ]);
  const settled = settlePolicy(policy.value, host.value);
  return {
    value: { policy: settled.value ?? policy.value, host: host.value, policyText, lineText },
    diagnostics: [...diagnostics, ...settled.diagnostics],
  };
}

/**
 * Before rules are made that could be loaded: guests whose ports only libvirt knows would all be closed while it does not
 * answer. @throws HostError 'libvirt-refused'
 */
export function assertGuestsKnown(diagnostics: readonly Diagnostic[], policy: Policy, host: Host): void {
  const refused = diagnostics.find(({ code }) => code === 'libvirt-refused');
  const known = new Set(allPorts(host).map(({ guest }) => guest));
  const guest = policy.guests.find(({ name, port }) => port === undefined && !known.has(name));
  if (refused === undefined || guest === undefined) return;
  const why = `so nobody knows the port of guest '${guest.name}' and others`;
  throw new HostError('libvirt-refused', `${refused.message}; ${why} (${refused.hint ?? ''})`);
}

/**
 * The host alone: of a file, or this machine, where the agents of those guests are asked that the policy believes.
 * @throws HostError 'unreadable'
 */
export async function readHostFacts(file: string | undefined, policy?: Policy): Promise<Checked<Host>> {
  return file === undefined ? readHost(askedAgents(policy)) : parseHost(readText(file), nameOf(file));
}

/** Those that the policy believes: nobody else's agent is asked anything. */
function askedAgents(policy: Policy | undefined): AskedAgents {
  const guests = (policy?.guests ?? []).filter(({ addressesFrom }) => addressesFrom.includes('agent'));
  return {
    names: new Set(guests.map(({ name }) => name)),
    macs: new Set(guests.flatMap(({ mac }) => mac ?? [])),
    ports: new Set(guests.flatMap(({ port }) => port ?? [])),
  };
}

function linesOf(texts: readonly (readonly [file: string, text: string])[]): Inputs['lineText'] {
  const lines = new Map(texts.map(([file, text]) => [file, text.split('\n')]));
  return ({ file, line }) => lines.get(file)?.[line - 1];
}

function nameOf(file: string): string {
  return file === '-' ? '<stdin>' : file;
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readInput(file, mostBytes));
  } catch (cause) {
    throw new HostError('unreadable', `cannot read ${nameOf(file)}: ${(cause as Error).message}`, cause);
  }
}

/** Shows the faults on stderr, and says whether there were errors among them. */
export function tellFaults(diagnostics: readonly Diagnostic[]): boolean {
  for (const diagnostic of inTextOrder(diagnostics)) tell(printDiagnostic(diagnostic));
  return hasErrors(diagnostics);
}
