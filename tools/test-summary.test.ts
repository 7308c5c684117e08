import { describe, expect, it } from 'vitest';
import { summaryOf, type TestReport } from './test-summary.ts';

const file = (
  name: string,
  tests: Readonly<Record<string, string>>,
  status = 'passed',
): TestReport['testResults'][number] => ({
  name: `/repo/${name}`,
  status,
  assertionResults: Object.entries(tests).map(([fullName, each]) => ({ fullName, status: each })),
});
const report = (numPassedTests: number, ...testResults: TestReport['testResults'][number][]): TestReport => ({
  numPassedTests,
  numPendingTests: 2,
  testResults,
});

describe('the end of a test run', () => {
  it('is one line when all is well', () => {
    const { lines, isOk } = summaryOf(report(3, file('a.test.ts', { one: 'passed' })), 0, '/repo');
    expect(lines).toEqual(['3 passed, 0 failed, 2 skipped']);
    expect(isOk).toBe(true);
  });

  it('names every test that failed, and a file that could not be loaded, before the count', () => {
    const { lines, isOk } = summaryOf(
      report(
        1,
        file('a.test.ts', { 'a room one': 'failed', 'a room two': 'passed' }, 'failed'),
        file('b.test.ts', {}, 'failed'),
      ),
      1,
      '/repo',
    );
    expect(lines).toEqual([
      'failed: a.test.ts › a room one',
      'failed: b.test.ts › (the file itself)',
      '1 passed, 2 failed, 2 skipped',
    ]);
    expect(isOk).toBe(false);
  });

  it.each([
    ['an error outside every test', report(3, file('a.test.ts', { one: 'passed' })), 1, /Unhandled/],
    ['no test', report(0), 0, /no test ran/],
    ['no report', undefined, null, /by a signal\) without a report/],
  ])('is a failure where there was %s', (_, found, status, said) => {
    const { lines, isOk } = summaryOf(found, status, '/repo');
    expect(lines[0]).toMatch(said);
    expect(lines.at(-1)).toMatch(/passed, 1 failed/);
    expect(isOk).toBe(false);
  });
});
