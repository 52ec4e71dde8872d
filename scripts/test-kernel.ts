// `npm run test:kernel -- [--seeds N] [--first N] [--seed N]`: the differential test at length, or one seed again.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seeds: { type: 'string' }, first: { type: 'string' }, seed: { type: 'string' } },
});

const environment = {
  ...process.env,
  BRIDGEKEEPER_SEEDS: values.seeds ?? '1000',
  BRIDGEKEEPER_FIRST_SEED: values.first ?? '1',
  ...(values.seed === undefined ? {} : { BRIDGEKEEPER_SEED: values.seed }),
};

const { status } = spawnSync(process.execPath, ['scripts/test.ts', '--only', 'test/kernel/differential.test.ts'], {
  stdio: 'inherit',
  env: environment,
});
process.exitCode = status ?? 1;
