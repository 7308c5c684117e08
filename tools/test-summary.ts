/** How a run of the tests ends: each failure on a line of its own, then the line that CI counts. */

/** The part of vitest's JSON report that is read. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    /** The file's path. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

export interface TestSummary {
  /** `failed: FILE › TEST` for each failure, then `N passed, N failed`. */
  readonly lines: readonly string[];
  readonly isOk: boolean;
}

/** `exitStatus` is vitest's own; null where a signal ended it. `report` is undefined where none was written. */
export function summaryOf(
  report: TestReport | undefined,
  exitStatus: number | null,
  root: string,
): TestSummary {
  if (report === undefined)
    return {
      lines: [`failed: vitest ended (${exitStatus ?? 'by a signal'}) without a report`, '0 passed, 1 failed'],
      isOk: false,
    };
  const failures = report.testResults.flatMap(({ name, status, assertionResults }) => {
    const file = name.startsWith(`${root}/`) ? name.slice(root.length + 1) : name;
    const failed = assertionResults.filter((test) => test.status === 'failed');
    // A file that could not be loaded, or whose hook failed, has no failed test of its own; it still is a failure.
    if (failed.length === 0) return status === 'failed' ? [`failed: ${file} › (the file itself)`] : [];
    return failed.map(({ fullName }) => `failed: ${file} › ${fullName}`);
  });
  if (failures.length === 0 && report.numPassedTests === 0) failures.push('failed: no test ran');
  if (failures.length === 0 && exitStatus !== 0)
    failures.push('failed: an error outside every test; look for "Unhandled" above');
  const skipped = report.numPendingTests > 0 ? `, ${report.numPendingTests} skipped` : '';
  return {
    lines: [...failures, `${report.numPassedTests} passed, ${failures.length} failed${skipped}`],
    isOk: failures.length === 0,
  };
}
