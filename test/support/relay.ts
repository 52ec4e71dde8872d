// The relay to nf_tables in a namespace, with what it hears.

import type { Notice } from '../../src/netlink/notices.ts';
import { Relay } from '../../src/netlink/relay.ts';
import { relayScript } from '../../src/netlink/relay-script.ts';
import { ended } from './child.ts';
import type { Namespace } from './namespace.ts';
import { accessTo } from './namespace-access.ts';
import { until } from './until.ts';

export type StartedRelay = {
  readonly relay: Relay;
  readonly notices: readonly Notice[];
  readonly pid: number;
  losses: number;
  stop(): Promise<void>;
};

export async function startRelay(namespace: Namespace): Promise<StartedRelay> {
  const child = accessTo(namespace).start('perl', ['-e', relayScript]);
  const notices: Notice[] = [];
  let isReady = false;
  const started = {
    relay: new Relay({
      ready: () => {
        isReady = true;
      },
      heard: (notice) => notices.push(notice),
      lost: () => {
        started.losses++;
      },
    }),
    notices,
    pid: child.pid ?? 0,
    losses: 0,
    stop: async () => {
      child.stdin.end();
      await ended(child);
    },
  };
  started.relay.attach({ write: (octets) => child.stdin.write(octets), kill: () => child.kill('SIGKILL') });
  child.stdout.on('data', (chunk: Buffer) => {
    started.relay.hear(chunk);
  });
  child.once('exit', () => started.relay.attach(undefined));
  await until(() => isReady, 'the relay listens');
  return started;
}
