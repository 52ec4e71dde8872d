// A guest that is asked through its agent, and an agent that is slow, talks nonsense, says too much or dies midway: never is
// anything of it taken for an answer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AskAgent, agentGuest, askGuest } from '../../src/display/live/guest.ts';
import { readGuestFile } from '../../src/display/live/guest-file.ts';
import { HostError } from '../../src/model/host-error.ts';

type Step = unknown | Error;

/** Answers in their order; the last one again and again. */
function agentThat(...answers: readonly Step[]): { readonly ask: AskAgent; readonly asked: object[] } {
  const asked: object[] = [];
  const ask: AskAgent = async (command) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push(command);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { ask, asked };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const ended = (text: string, more: object = {}) => ({ exited: true, exitcode: 0, 'out-data': base64(text), ...more });
const dead = new HostError('agent', 'the guest agent does not answer: it is gone');

const rows: readonly (readonly [title: string, answers: readonly Step[], fault: RegExp])[] = [
  ['no answer', [undefined], /started nothing/],
  ['a text', ['{"pid":1}'], /started nothing/],
  ['a number that is a text', [{ pid: '1' }], /started nothing/],
  ['it dies midway', [{ pid: 1 }, { exited: false }, dead], /it is gone/],
  ['more than it passes on', [{ pid: 1 }, ended('half', { 'out-truncated': true })], /more than its agent passes on/],
  ['it never ends', [{ pid: 1 }, { exited: false }], /did not end within 0.5 s/],
  ['nonsense for ever', [{ pid: 1 }, 'exited'], /did not end within 0.5 s/],
];

describe('an agent that is none', { concurrency: true }, () => {
  for (const [title, answers, fault] of rows) {
    test(title, async () => {
      const { ask } = agentThat(...answers);
      const seconds = fault.source.includes('0.5 s') ? 0.5 : 60;
      await assert.rejects(agentGuest(ask).run('cat', [], { seconds }), fault);
    });
  }

  test('what it says of its program is that program alone', async () => {
    const { ask, asked } = agentThat(
      { pid: 7 },
      { exited: false },
      ended('text', { 'err-data': base64('said'), exitcode: 3 }),
    );
    const done = await agentGuest(ask).run('sh; reboot', ['$(reboot)', '`x`']);
    assert.deepEqual([done.code, done.stdout.toString(), done.said], [3, 'text', 'said']);
    assert.deepEqual(asked.slice(1), Array(2).fill({ execute: 'guest-exec-status', arguments: { pid: 7 } }));
    assert.match(JSON.stringify(asked[0]), /"path":"sh; reboot","arg":\["\$\(reboot\)","`x`"\]/);
  });

  test('an answer to another question has no mark of ours', async () => {
    const { ask } = agentThat({ pid: 1 }, ended('0123456789abcdef release\n6.1.0\n'));
    const facts = await askGuest(agentGuest(ask));
    assert.deepEqual([facts.release, facts.connectors, facts.sessions], ['', [], []]);
  });
});

const files: readonly (readonly [title: string, said: string, result: string | RegExp | undefined])[] = [
  ['none', 'absent\n', undefined],
  ['a link or a folder', 'odd\n', /no plain file/],
  ['too large to go back', 'large\n', /more than 64 KiB/],
  ['a mode that is a command', '644;reboot 0:0\n', /no plain file/],
  ['an owner that is an option', '644 -R:0\n', /no plain file/],
  ['nothing said', '', /no plain file/],
  ['one', `600 5:7\n${base64('text')}\n`, 'text'],
];

describe('a file of a guest', () => {
  for (const [title, said, result] of files) {
    test(title, async () => {
      const reading = readGuestFile(agentGuest(agentThat({ pid: 1 }, ended(said)).ask), '/etc/default/grub');
      if (result instanceof RegExp) await assert.rejects(reading, result);
      else assert.equal((await reading)?.bytes.toString(), result);
    });
  }
});
