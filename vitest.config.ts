import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/cluster/**/*.test.ts'],
    testTimeout: 5_000,
  },
});
