import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** One worker per core; CI has two. Limits are for what hangs: a busy machine may take long. */
export default defineConfig({
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'tools/**/*.test.ts',
      'examples/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', '**/dist/**'],
    env: {
      ORT_DISABLE_TELEMETRY: '1',
      // Hundreds of processes and threads of ours start: each would strip and compile the same files again.
      NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/gantry'),
    },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
