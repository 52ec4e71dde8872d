// What bin/bridgekeeper runs: what was built, for as long as it was built from these very sources; else the sources.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from './support/run-cli.ts';

const checkout = mkdtempSync(join(tmpdir(), 'bridgekeeper-built-'));
after(() => rmSync(checkout, { recursive: true, force: true }));
const source = join(checkout, 'src/cli/exit-codes.ts');
const built = join(checkout, 'dist/cli/bridgekeeper.js');

function build(): void {
  execFileSync(join(checkout, 'scripts/build'));
  // so that one sees what runs
  appendFileSync(built, "console.log('built');\n");
}

function says(): 'built' | 'sources' {
  const said = execFileSync(join(checkout, 'bin/bridgekeeper'), ['--version'], { encoding: 'utf8' });
  assert.match(said, /^\d+\.\d+\.\d+\n/);
  return said.endsWith('built\n') ? 'built' : 'sources';
}

before(() => {
  for (const part of ['bin', 'scripts', 'src', 'package.json', 'package-lock.json', 'tsconfig.json'])
    cpSync(join(root, part), join(checkout, part), { recursive: true });
  cpSync(join(root, 'tsconfig.build.json'), join(checkout, 'tsconfig.build.json'));
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
});

describe('bin/bridgekeeper runs', () => {
  it('the sources when nothing was built', () => assert.equal(says(), 'sources'));

  it('what was built from them', () => {
    build();
    assert.equal(says(), 'built');
  });

  it('the sources when one has changed, whatever its time says, and what was built when the change is taken back', () => {
    const text = readFileSync(source);
    appendFileSync(source, '\nexport const changed = true;\n');
    utimesSync(source, 0, 0);
    assert.equal(says(), 'sources');
    rmSync(source);
    cpSync(join(root, 'src/cli/exit-codes.ts'), source);
    assert.deepEqual(readFileSync(source), text);
    assert.equal(says(), 'built');
  });

  for (const [change, path] of [
    ['added', 'src/model/more.ts'],
    ['renamed', 'src/model/other.ts'],
  ] as const) {
    it(`the sources when a file was ${change}`, () => {
      const file = join(checkout, path);
      if (change === 'added') appendFileSync(file, '');
      else execFileSync('mv', [join(checkout, 'src/model/more.ts'), file]);
      assert.equal(says(), 'sources');
    });
  }

  it('the sources when a build was given up for an error, and nothing half made is left', () => {
    appendFileSync(source, "\nexport const wrong: number = 'text';\n");
    assert.throws(build);
    assert.equal(says(), 'sources');
    assert.deepEqual(execFileSync('sh', ['-c', 'ls -d dist.* 2>/dev/null || true'], { cwd: checkout }).length, 0);
  });
});

describe('what was built', () => {
  it('has what is no TypeScript too, and nobody but its owner may write into it', () => {
    rmSync(join(checkout, 'src'), { recursive: true });
    cpSync(join(root, 'src'), join(checkout, 'src'), { recursive: true });
    execFileSync('sh', ['-c', 'umask 000 && scripts/build'], { cwd: checkout });
    assert.ok(existsSync(join(checkout, 'dist/lab/agent.py')));
    for (const path of ['dist', 'dist/cli', 'dist/cli/main.js', 'dist/.sources', 'dist/lab/agent.py'])
      assert.equal(statSync(join(checkout, path)).mode & 0o022, 0, path);
  });
});
