import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The platform as a whole first: what takes longest may not begin when everything else has ended. */
class WholePlatformFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isWhole = ({ moduleId }: TestSpecification): number => Number(moduleId.includes('/e2e/'));
    return (await super.sort(files)).sort((one, other) => isWhole(other) - isWhole(one));
  }
}

/**
 * Rooms whose tests leave nothing behind in their process: their files share one and load its modules once, which takes
 * half of their time away. Whatever starts processes, loads native code or replaces modules has a process a file.
 */
const sharing = [
  'packages/{kit,contract,formats,scheduling,training,conversion,serving,sdk,control,gateway}/src/**/!(peer-failures).test.ts',
  'apps/server/src/{http,routes}/**/*.test.ts',
  'apps/cli/src/{*.test.ts,!(e2e)/**/*.test.ts}',
];
const nowhere = ['**/node_modules/**', '**/dist/**'];

/** One worker per core; CI has two. Limits are for what hangs: a busy machine may take long. */
export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'shared', include: sharing, exclude: nowhere, isolate: false } },
      {
        extends: true,
        test: {
          name: 'alone',
          include: [
            'packages/*/src/**/*.test.ts',
            'apps/*/src/**/*.test.ts',
            'tools/**/*.test.ts',
            'examples/**/*.test.ts',
          ],
          exclude: [...nowhere, ...sharing],
        },
      },
    ],
    env: {
      ORT_DISABLE_TELEMETRY: '1',
      // Hundreds of processes and threads of ours start: each would strip and compile the same files again.
      NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/gantry'),
    },
    sequence: { sequencer: WholePlatformFirst },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
