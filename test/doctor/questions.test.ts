// The one text that asks all questions: whatever an answer holds, it is that answer and no other.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { answers, filesOf } from '../../src/doctor/answers.ts';
import { includeScript, type Question, questions, script } from '../../src/doctor/questions.ts';
import { freshDirectory } from '../support/run-cli.ts';

const mark = 'm0123';

function asked(text: string, args: readonly string[] = []): ReadonlyMap<string, string> | undefined {
  return answers(spawnSync('sh', ['-c', text, 'sh', mark, ...args]).stdout);
}

const rows: readonly (readonly [what: string, ask: string, answer: string, mostBytes?: number])[] = [
  ['nothing', ':', ''],
  ['a line', 'echo one', 'one'],
  ['no line feed at the end', 'printf "one\\ntwo"', 'one\ntwo'],
  ['empty lines at the end', 'printf "one\\n\\n\\n"', 'one\n\n'],
  ['an empty line alone', 'echo', ''],
  ['what looks like a heading, and like the end', 'printf "@other\\n.x\\n@end\\n"', '@other\n.x\n@end'],
  ['a mark of another day', 'echo m0124 end 0', 'm0124 end 0'],
  ['the mark behind something', `echo "x ${mark} end 0"`, `x ${mark} end 0`],
  ['what awk and sed have a meaning for', 'printf "%s\\n" "%d & \\\\1 \\$1"', '%d & \\1 $1'],
  ['NUL', 'printf "a\\000b\\n"', 'ab'],
  ['more than is wanted', 'echo 12345678; echo 12345678; echo 12345678', '12345678\n123', 12],
  ['complaints', 'cat /nowhere', 'cat: /nowhere: No such file or directory'],
  ['what reads its input', 'cat', ''],
];

suite('the text that asks', () => {
  for (const [what, ask, answer, mostBytes = 1_000] of rows) {
    test(what, () => {
      const three: readonly Question[] = [
        { name: 'before', mostBytes: 10, ask: 'echo first' },
        { name: 'this', mostBytes, ask },
        { name: 'behind', mostBytes: 10, ask: 'echo last' },
      ];
      assert.deepEqual(
        [...(asked(script(three)) ?? [])],
        [
          ['before', 'first'],
          ['this', answer],
          ['behind', 'last'],
        ],
      );
    });
  }

  test('one that ends the shell: nothing is believed', () => {
    assert.equal(asked(script([{ name: 'this', mostBytes: 10, ask: 'echo one; exit' }])), undefined);
  });

  test('has nothing that a remote shell might take for something else', () => {
    for (const text of [script(questions), includeScript]) assert.doesNotMatch(text, /['\n`!^]/);
  });

  test('files by patterns, with blanks in their names and without a line feed at the end', (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, 'a b.conf'), 'one\n\n two');
    writeFileSync(join(directory, 'c.conf'), '');
    const answer = asked(includeScript, [join(directory, '*.conf'), join(directory, 'none')])?.get('files') ?? '';
    assert.deepEqual(filesOf(answer), [
      { path: join(directory, 'a b.conf'), text: 'one\n\n two\n' },
      { path: join(directory, 'c.conf'), text: '\n' },
    ]);
  });
});
