// Connection tracking begins with the first rule that asks for it. An SSH connection that is older would be no known flow
// for our rules, and be cut off by the first of them; so tracking is begun before, by a table that decides nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';
import type { SshSession } from '../ssh-way.ts';
import { sshSessions } from './ssh-sessions.ts';

const table = 'ip bk_tracking';

const begin = `add table ${table}
delete table ${table}
table ${table} {
	chain seen {
		type filter hook prerouting priority 0; policy accept;
		ct state new accept
	}
}
`;

/** For an answer over a bad link. */
const patienceMs = 10_000;
const pauseMs = 500;

function isUnknown({ open, tracked }: SshSession): boolean {
  return open && !tracked;
}

export class Tracking {
  readonly #access: Access;
  readonly #speak: () => void;
  #begun = false;

  /** @param speak makes the sessions say something, as a line on their terminal does: what is silent is not seen */
  constructor(access: Access, speak: () => void) {
    this.#access = access;
    this.#speak = speak;
  }

  /** After tracking was begun for those that it did not know, if there are any; some may still be unknown to it. */
  async sessions(): Promise<readonly SshSession[]> {
    let sessions = await sshSessions(this.#access);
    if (!sessions.some(isUnknown)) return sessions;
    this.#begun = (await run(this.#access, 'nft', ['-f', '-'], { input: begin })).code === 0;
    if (!this.#begun) return sessions;
    for (const end = Date.now() + patienceMs; Date.now() < end && sessions.some(isUnknown); ) {
      this.#speak();
      await sleep(pauseMs);
      sessions = await sshSessions(this.#access);
    }
    return sessions;
  }

  /** When our rules, which go on with it, are loaded or are not to be. */
  async end(): Promise<void> {
    if (this.#begun)
      await run(this.#access, 'nft', ['-f', '-'], { input: `add table ${table}\ndelete table ${table}\n` });
  }
}
