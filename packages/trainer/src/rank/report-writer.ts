/** Appends reports as JSON lines, in order. Rank 0 speaks for the group; the others have a silent writer. */
import { appendFile } from 'node:fs/promises';
import type { WorkerReportInput } from '@gantry/contract';

type Unstamped<Report> = Report extends unknown ? Omit<Report, 'at'> : never;
export type Report = Unstamped<WorkerReportInput>;

export interface ReportWriter {
  write(report: Report): Promise<void>;
}

export function createReportWriter(file: string | undefined): ReportWriter {
  let last = Promise.resolve();
  return {
    write: (report) => {
      if (file === undefined) return Promise.resolve();
      const line = `${JSON.stringify({ ...report, at: new Date().toISOString() })}\n`;
      // A report that cannot be written (full disk) must not end the training it tells about.
      last = last.then(() => appendFile(file, line)).catch(() => undefined);
      return last;
    },
  };
}
