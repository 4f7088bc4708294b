import type { Stage } from './stage.ts';

const VITEST = 'node_modules/vitest/vitest.mjs';

/** Format, lint, types and unit tests: the everyday loop, under a minute. */
export const checkStages: readonly Stage[] = [
  { name: 'format', command: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'], limitSeconds: 120 },
  { name: 'types', command: ['node_modules/typescript/bin/tsc', '-p', '.'], limitSeconds: 120 },
  { name: 'lint', command: ['node_modules/eslint/bin/eslint.js', '.'], limitSeconds: 240 },
  { name: 'unit tests', command: [VITEST, 'run', '--project=unit'], limitSeconds: 300 },
];

/** What needs the bundle, an engine or a control plane. */
export const longStages: readonly Stage[] = [
  { name: 'build', command: ['build.mjs'], limitSeconds: 120 },
  { name: 'bundle alone', command: ['test/stages/bundle-alone.ts'], limitSeconds: 300 },
  { name: 'test bed', command: ['test/stages/prepare.ts'], limitSeconds: 1800 },
  { name: 'contract tests', command: [VITEST, 'run', '--project=contract'], limitSeconds: 1200 },
  { name: 'end-to-end tests', command: [VITEST, 'run', '--project=e2e'], limitSeconds: 1500 },
];
