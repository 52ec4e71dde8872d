// Programs in a namespace, for code that is given an Access.
import { spawn } from 'node:child_process';
import type { Access } from '../../src/machine/access.ts';
import type { Namespace } from './namespace.ts';

export function accessTo({ pid }: Namespace): Access {
  return {
    host: '',
    start: (program, args) =>
      spawn('nsenter', ['-n', '-t', String(pid), '--', program, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, LC_ALL: 'C' },
      }),
  };
}
