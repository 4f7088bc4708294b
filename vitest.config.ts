import { defineConfig } from 'vitest/config';

/**
 * Three projects: `unit` (no Docker, no network, no sleeping), `contract` (one room against the real thing) and `e2e` (the built
 * agent on a real control plane and a real engine). The latter two bring up test beds, one at a time on a small machine.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/cluster/**/*.test.ts', 'test/lint/**/*.test.ts', 'test/bench/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 900_000, fileParallelism: false } },
    ],
  },
});
