// Who may import whom in src/. The table is the drawing of docs/architecture.md: data flows one way, and only the folders
// at the edge touch the machine. A new folder needs a line here; an import that is not in its line is a failure.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

type Layer = {
  readonly imports: readonly string[];
  readonly packages?: readonly string[];
  /** Which of its files may read files, run programs, know the time: all, or these files and folders. */
  readonly machine?: 'all' | readonly string[];
  readonly because: string;
};

const layers: Readonly<Record<string, Layer>> = {
  model: { imports: [], because: 'the types that everything else is built on' },
  yaml: { imports: ['model'], packages: ['yaml', 'zod'], because: 'texts with places; knows neither policy nor host' },
  machine: {
    imports: ['model'],
    packages: ['diff'],
    machine: 'all',
    because:
      'programs and files, here or over ssh, and changes that can be taken back; knows nothing of what they are for',
  },
  policy: { imports: ['model', 'yaml'], packages: ['zod'], because: 'intent: a text becomes a Policy' },
  topology: {
    imports: ['model', 'yaml', 'machine'],
    packages: ['yaml', 'zod', '@xmldom/xmldom'],
    machine: ['read.ts', 'read-libvirt.ts', 'read-hints.ts'],
    because: 'facts: a text or the live host becomes a Host; only what is called read asks the machine',
  },
  packet: { imports: ['model'], because: 'octets and their structures' },
  compile: { imports: ['model'], because: 'Policy and Host become the RuleList' },
  iptables: { imports: ['model'], because: 'a RuleList becomes iptables rules; knows nothing of its sister nft' },
  nft: { imports: ['model'], because: 'a RuleList becomes nft tables; knows nothing of its sister iptables' },
  netlink: {
    imports: ['model', 'nft'],
    machine: ['relay.ts', 'link-questions.ts'],
    because: 'nft tables and devices as the kernel is told of them and tells, and the one who carries the octets',
  },
  simulate: {
    imports: ['model', 'packet', 'compile'],
    because: 'runs any ruleset, whatever back end it is from; from compile only who a name of the policy is',
  },
  init: {
    imports: ['model', 'policy', 'topology'],
    because: 'a Host becomes the text of a first policy; who is called what comes from policy, hearsay from topology',
  },
  lab: {
    imports: ['model', 'packet', 'compile', 'iptables', 'nft', 'simulate', 'machine'],
    machine: 'all',
    because: 'the same on the real kernel, compared with the simulation',
  },
  explain: {
    imports: ['model', 'compile'],
    because: 'a LogEvent, held against policy, host and rules; from compile who is behind a port and whose a name is',
  },
  apply: {
    imports: [
      'model',
      'yaml',
      'policy',
      'topology',
      'packet',
      'netlink',
      'compile',
      'iptables',
      'nft',
      'simulate',
      'machine',
    ],
    packages: ['zod'],
    machine: ['live/'],
    because: 'the only writer of the kernel: what would change, what is lost by it, and live/ that does it',
  },
  watch: {
    imports: ['model', 'machine'],
    machine: ['sources/', 'store/'],
    because: 'a line of the kernel log becomes a LogEvent; its sources and its store are the edge',
  },
  doctor: {
    imports: ['model', 'machine', 'watch'],
    machine: 'all',
    because: 'asks the machine which log path works, and says why not',
  },
  ufw: {
    imports: ['model', 'machine', 'watch'],
    machine: 'all',
    because: "ufw's files, its start-up errors, and enabling it without locking anybody out",
  },
  install: {
    imports: ['model', 'nft', 'machine'],
    packages: ['zod'],
    machine: [
      'disk.ts',
      'install.ts',
      'ledger.ts',
      'man-entries.ts',
      'program-files.ts',
      'put.ts',
      'safe-home.ts',
      'surroundings.ts',
      'comparison.ts',
      'take-away.ts',
      'uninstall.ts',
    ],
    because: 'units, settings and the hook as texts, put in place and taken away; from nft only what closes ports',
  },
  display: {
    imports: ['model', 'yaml', 'topology', 'machine'],
    packages: ['@xmldom/xmldom', 'zod'],
    machine: ['live/'],
    because:
      "a guest's pictures: what is, what can be, what changes it; its XML reader is topology's; live/ asks and changes",
  },
  follow: {
    imports: ['model', 'policy', 'topology', 'netlink', 'machine', 'apply'],
    machine: 'all',
    because: 'the daemon: looks again and again what is so, and lets apply/ change it',
  },
  cli: {
    imports: [
      'model',
      'yaml',
      'policy',
      'topology',
      'packet',
      'compile',
      'iptables',
      'nft',
      'simulate',
      'init',
      'lab',
      'explain',
      'machine',
      'apply',
      'watch',
      'doctor',
      'ufw',
      'install',
      'display',
      'follow',
    ],
    packages: ['commander', 'diff', 'zod'],
    machine: 'all',
    because: 'the edge towards the user: it puts everything together',
  },
};

/** Modules of Node that neither see nor change anything outside of the program. */
const harmless = ['node:assert/strict'];

const forbiddenNames = /(?:^|\/)(?:utils?|common|helpers?|services|index|misc)(?:\/|\.ts$)/;

/** `from` where names are imported or passed on, and imports without names or at run time. */
const importPattern = /(?:^|\n)\s*(?<what>import|export)\b(?<names>[^;'"()]*?)\bfrom\s*['"](?<module>[^'"]+)['"]/g;
const barePattern = /(?:^|\n)\s*import\s*['"](?<module>[^'"]+)['"]|\bimport\s*\(\s*['"](?<atRunTime>[^'"]+)['"]/g;

type Import = { readonly module: string; readonly names: string; readonly passedOn: boolean };

function importsOf(text: string): readonly Import[] {
  const named = [...text.matchAll(importPattern)].map(({ groups }) => ({
    module: groups?.module ?? '',
    names: groups?.names ?? '',
    passedOn: groups?.what === 'export',
  }));
  const bare = [...text.matchAll(barePattern)].map(({ groups }) => ({
    module: groups?.module ?? groups?.atRunTime ?? '',
    names: '',
    passedOn: false,
  }));
  return [...named, ...bare];
}

/** `file` stands under src/, as `nft/lower.ts`. */
function faultsOf(file: string, text: string): readonly string[] {
  const [folder = '', ...rest] = file.split('/');
  const layer = Object.hasOwn(layers, folder) ? layers[folder] : undefined;
  const names = forbiddenNames.test(file) ? ['a name that says nothing about what is inside'] : [];
  if (rest.length === 0 || layer === undefined) return [...names, `the folder '${folder}' is not in the table`];
  const source = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const touches = isEdge(rest.join('/'), layer);
  return [
    ...names,
    ...(/\bexport\s+default\b|\bas\s+default\b/.test(source) ? ['a default export'] : []),
    ...importsOf(source).flatMap((one) => importFaults(one, file, layer, touches)),
    ...(touches ? [] : machineWords(source)),
  ];
}

function isEdge(path: string, { machine = [] }: Layer): boolean {
  return machine === 'all' || machine.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));
}

function importFaults(
  { module, names, passedOn }: Import,
  file: string,
  layer: Layer,
  touches: boolean,
): readonly string[] {
  const [folder = ''] = file.split('/');
  if (passedOn) return [`passes on ${module}: say where a thing is, not where else it could be had`];
  if (module.startsWith('node:')) return nodeFault(module, names, folder, touches);
  if (!module.startsWith('.')) {
    const name = module
      .split('/')
      .slice(0, module.startsWith('@') ? 2 : 1)
      .join('/');
    const known = layer.packages?.includes(name) ?? false;
    return known ? [] : [`the package ${module}: ${folder} may use ${layer.packages?.join(', ') ?? 'none'}`];
  }
  const target = join(dirname(file), module).split('/');
  const other = target[0] ?? '';
  if (other === folder && target.length > 1) return [];
  if (layer.imports.includes(other) && target.length > 1) return [];
  return [`${module}: ${folder} may import ${layer.imports.join(', ') || 'nothing'} (${layer.because})`];
}

function nodeFault(module: string, names: string, folder: string, touches: boolean): readonly string[] {
  if (touches || harmless.includes(module)) return [];
  // it says whether a text is an address, and asks nobody
  if (folder === 'model' && module === 'node:net' && names.replace(/\s/g, '') === '{isIP}') return [];
  return [`${module}: only the edge touches the machine`];
}

/** What a module can do without an import. */
function machineWords(source: string): readonly string[] {
  const words = source.matchAll(
    /\b(?:process\.\w+|console\.\w+|fetch\(|set(?:Timeout|Interval)\(|Date\b|Math\.random|performance\.now)/g,
  );
  return [...words].map(([word]) => `${word}: the same input must always give the same output here`);
}

const root = join(import.meta.dirname, '..', 'src');
const files = globSync('**/*.ts', { cwd: root }).sort();

test('every import in src/ is in the table', () => {
  const faults = files.flatMap((file) =>
    faultsOf(file, readFileSync(join(root, file), 'utf8')).map((fault) => `src/${file}: ${fault}`),
  );
  assert.deepEqual(faults, []);
});

test('all of src/ was seen', () => {
  const folders = new Set(files.map((file) => file.split('/')[0]));
  assert.ok(folders.size > 10, [...folders].join());
  const seen = files.flatMap((file) => importsOf(readFileSync(join(root, file), 'utf8')));
  assert.ok(files.length > 100 && seen.length > 300, `${files.length} files with ${seen.length} imports`);
  const pattern = /^import\b|\bimport\(/gm;
  const lines = files.flatMap((file) => readFileSync(join(root, file), 'utf8').match(pattern) ?? []);
  assert.equal(seen.length, lines.length, 'every line that imports is read as one');
});

test('the table has no circles, so that data can flow one way only', () => {
  const order = Object.keys(layers);
  for (const [folder, { imports }] of Object.entries(layers)) {
    for (const other of imports) assert.ok(order.indexOf(other) < order.indexOf(folder), `${folder} -> ${other}`);
  }
});

const rows: readonly (readonly [file: string, text: string, faults: number])[] = [
  ['nft/lower.ts', "import { field } from '../model/match.ts';\nimport { base } from './parts.ts';", 0],
  ['nft/lower.ts', "import assert from 'node:assert/strict';", 0],
  ['nft/lower.ts', "import { lowerIptables } from '../iptables/lower.ts';", 1],
  ['nft/lower.ts', "import type {\n  Host,\n} from '../topology/read.ts';", 1],
  ['nft/lower.ts', "const later = await import('../cli/main.ts');", 1],
  ['nft/lower.ts', "import '../cli/bridgekeeper.ts';", 1],
  ['nft/lower.ts', "import { random } from '../../test/kernel/random.ts';", 1],
  ['nft/lower.ts', "// import { main } from '../cli/main.ts';", 0],
  ['model/ip.ts', "import { isIP } from 'node:net';", 0],
  ['model/ip.ts', "import { connect, isIP } from 'node:net';", 1],
  ['model/ip.ts', "import { z } from 'zod';", 1],
  ['topology/read.ts', "import { readFile } from 'node:fs/promises';", 0],
  ['topology/live.ts', "import { readFile } from 'node:fs/promises';", 1],
  ['watch/sources/journal.ts', "import { spawn } from 'node:child_process';", 0],
  ['watch/sources/journal.ts', "import { HostError } from '../../model/host-error.ts';", 0],
  ['watch/sources/journal.ts', "import { scan } from '../scan.ts';", 0],
  ['watch/sources/journal.ts', "import { main } from '../../cli/main.ts';", 1],
  ['watch/sources/journal.ts', "import { random } from '../../../test/kernel/random.ts';", 1],
  ['watch/scan.ts', "import { spawn } from 'node:child_process';", 1],
  ['simulate/world.ts', 'const now = Date.now();', 1],
  ['cli/main.ts', 'const now = Date.now();', 0],
  ['model/all.ts', "export * from './ip.ts';", 1],
  ['model/all.ts', "export { parseIp } from './ip.ts';", 1],
  ['model/mac.ts', 'export default class Mac {}', 1],
  ['model/utils/mac.ts', '', 1],
  ['model/helpers.ts', '', 1],
  ['model/service.ts', '', 0],
  ['common/mac.ts', '', 2],
  ['magic/mac.ts', '', 1],
  ['main.ts', '', 1],
];

for (const [file, text, wanted] of rows) {
  test(`${file} with ${text === '' ? 'this path' : JSON.stringify(text)}: ${wanted} faults`, () => {
    const faults = faultsOf(file, text);
    assert.equal(faults.length, wanted, faults.join('\n'));
  });
}
