// A command that is killed, or whose tools are, between any two of its steps: what was never read back cannot be
// confirmed, and the next command finds the old rules in force and nothing left behind.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { readPending, timerPid } from '../../src/apply/live/pending.ts';
import { confirmedId, generationIds } from '../../src/apply/live/state.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { LiveHost } from './live-host.ts';

type Step = 'token' | 'load' | 'read back';
type When = 'before' | 'after';

/** In front of the real tools: the program that calls them is killed, or the tool itself, before its work or after it. */
const shim = `#!/bin/sh
name=\${0##*/}
PATH=\${PATH#*:}
case "$name $*" in
  *"nft -f -") step=token ;;
  *"nft -f "*transaction*|iptables-restore*) step=load; [ "$name" = "$LOADER" ] && : >"$0.loaded" || step=none ;;
  *" -j list table"*|iptables-save*) [ -e "\${0%/*}/$LOADER.loaded" ] && step='read back' || step=none ;;
  *) step=none ;;
esac
if [ "$step" = "$KILL_STEP" ]; then
  case "$KILL_WHAT $KILL_WHEN" in
    'program before') kill -9 $PPID; exit 9 ;;
    'program after') "$name" "$@"; kill -9 $PPID; exit 9 ;;
    'tool after') "$name" "$@"; kill -9 $$ ;;
    'tool before') kill -9 $$ ;;
  esac
fi
exec "$name" "$@"
`;

function shims(host: LiveHost, backend: Backend, what: 'program' | 'tool', step: Step, when: When) {
  const directory = join(host.directory, `shims-${step.replace(' ', '-')}-${when}`);
  mkdirSync(directory);
  for (const tool of ['nft', 'iptables-restore', 'iptables-save']) {
    writeFileSync(join(directory, tool), shim);
    chmodSync(join(directory, tool), 0o755);
  }
  return {
    PATH: `${directory}:${process.env.PATH}`,
    KILL_WHAT: what,
    KILL_STEP: step,
    KILL_WHEN: when,
    LOADER: backend === 'nft' ? 'nft' : 'iptables-restore',
  };
}

const rows: readonly (readonly [When, Step, next: 'confirm' | 'apply' | 'rollback'])[] = [
  ['before', 'token', 'confirm'],
  ['after', 'token', 'confirm'],
  ['before', 'load', 'confirm'],
  ['after', 'load', 'confirm'],
  ['before', 'read back', 'confirm'],
  ['after', 'read back', 'confirm'],
  ['after', 'token', 'apply'],
  ['before', 'load', 'rollback'],
  ['after', 'load', 'apply'],
  ['after', 'load', 'rollback'],
];

async function tables(host: LiveHost): Promise<string> {
  return (await mustRun(host.namespace, 'nft', ['list', 'tables'])).stdout;
}

async function jumps(host: LiveHost): Promise<readonly string[]> {
  const { stdout } = await host.namespace.run('iptables-save', ['-t', 'filter']);
  return stdout.split('\n').filter((line) => /^-A (?:INPUT|OUTPUT|FORWARD) /.test(line));
}

for (const backend of ['nft', 'iptables'] as const) {
  suite(`${backend}: the command is killed`, { skip: needsRoot, concurrency: 2 }, () => {
    for (const [when, step, next] of rows) {
      test(`${when} '${step}', and then somebody runs ${next}`, async (t) => {
        const host = await LiveHost.build();
        t.after(() => host.close());
        await host.applyHere('ssh', undefined, backend);
        const [old, before] = [await host.digest(), await tables(host)];
        const http = ['apply', '--policy', host.policy('http'), '--backend', backend];
        const killed = await host.run([...http, '--confirm', '60s'], shims(host, backend, 'program', step, when));
        assert.notEqual(killed.code, 0, 'it was killed');
        const timer = timerPid(host.state);
        if (next === 'confirm') {
          const { code, stderr } = await host.run(['confirm']);
          assert.ok(code === 4 || code === 2, stderr);
          assert.equal(await host.digest(), old);
        } else if (next === 'rollback') {
          await host.mustRun(['rollback']);
          assert.equal(await host.digest(), old);
        } else {
          await host.mustRun([...http, '--no-confirm']);
          assert.notEqual(await host.digest(), old);
        }
        assert.deepEqual(await host.drift(), []);
        assert.equal(await tables(host), before, 'no table is left behind');
        assert.deepEqual(await jumps(host), [...new Set(await jumps(host))], 'no jump stands there twice');
        if (timer !== undefined) assert.equal(timerPid(host.state), undefined, 'the timer has ended');
        assert.deepEqual(
          generationIds(host.state),
          next === 'apply' ? [1, confirmedId(host.state)] : [1],
          'only what was confirmed',
        );
      });
    }
  });

  suite(`${backend}: the tool is killed while it loads`, { skip: needsRoot }, () => {
    for (const when of ['before', 'after'] as const) {
      test(`${when} its work: refused, and the old rules are there`, async (t) => {
        const host = await LiveHost.build();
        t.after(() => host.close());
        await host.applyHere('ssh', undefined, backend);
        const [old, before] = [await host.digest(), await tables(host)];
        const { code, stderr } = await host.run(
          ['apply', '--policy', host.policy('http'), '--backend', backend, '--confirm', '60s'],
          shims(host, backend, 'tool', 'load', when),
        );
        assert.equal(code, 2, stderr);
        assert.equal(await host.digest(), old);
        assert.equal(readPending(host.state), undefined);
        assert.equal(await tables(host), before);
        assert.deepEqual(readdirSync(join(host.state, 'generations')), ['000001']);
      });
    }
  });
}
