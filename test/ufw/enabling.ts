// What the tests of `ufw enable` begin with: a machine with an sshd and a listener that is none, as fresh for every test.
import { after, afterEach, before } from 'node:test';
import type { Run } from '../support/run-cli.ts';
import { server, UfwMachine } from './ufw-machine.ts';

/** Where sshd listens. */
export const port = 2222;

/** Where somebody else listens. */
export const other = 8080;

export type Enabling = {
  readonly machine: UfwMachine;
  /** `ufw enable --yes`, by a session of the client's in IPv4. */
  readonly enableHere: (...more: readonly string[]) => Promise<Run>;
  readonly isOn: () => boolean;
};

/** In a suite, whose hooks make the machine and end it. */
export function enabling(): Enabling {
  const machine = new UfwMachine();
  before(async () => {
    await machine.begin();
    await machine.startSshd(`Port ${port}`);
    await machine.listenOn(other);
  });
  after(() => machine.end());
  afterEach(() => {
    machine.endTimers();
    machine.clearFilter();
    machine.resetUfw();
  });
  return {
    machine,
    enableHere: (...more) => machine.cliBySession(port, server[4], 'ufw', 'enable', '--yes', ...more),
    isOn: () => machine.isOn(),
  };
}
