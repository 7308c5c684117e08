import { startVitest } from 'vitest/node';
import type { Check } from '../check.ts';
import { startS3Gateway } from '../s3-gateway.ts';

/** The suites of `packages/blobs` against a real S3 server: objects, blobs, volumes. */
export const s3Server: Check = async ({ dir }) => {
  await using gateway = await startS3Gateway(dir, (line) => process.stdout.write(`  ${line}\n`));
  const vitest = await startVitest('test', [], {
    config: false,
    watch: false,
    include: ['packages/blobs/src/s3/real-server.suite.ts'],
    env: { ...gateway.env, GANTRY_S3_TEST_BUCKET: gateway.bucket },
    reporters: [{}],
    testTimeout: 120_000,
  });
  const results = vitest.state
    .getTestModules()
    .flatMap((module) => [...module.children.allTests()])
    .map((test) => ({ name: test.fullName, result: test.result() }));
  await vitest.close();
  const failed = results.filter(({ result }) => result.state !== 'passed');
  if (failed.length > 0 || results.length === 0)
    throw new Error(
      failed.map(({ name, result }) => `${name}: ${result.errors?.[0]?.message}`).join('\n') || 'no test ran',
    );
  // The suite's failures are ours to tell; vitest would set the exit code by itself.
  process.exitCode = 0;
  return `versitygw: ${results.length} tests of objects, blobs and volumes`;
};
