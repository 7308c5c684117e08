/** What a worker says to the platform about its work: one line a report, in the file that it was given. */
import { appendFile } from 'node:fs/promises';
import type { WorkerReportInput } from '@gantry/contract';

type WithoutTime<Report> = Report extends { readonly at: string } ? Omit<Report, 'at'> : never;

export async function report(
  env: Readonly<Record<string, string | undefined>>,
  said: WithoutTime<WorkerReportInput>,
): Promise<void> {
  const file = env['GANTRY_REPORT_FILE'];
  if (file === undefined) return;
  await appendFile(file, `${JSON.stringify({ ...said, at: new Date().toISOString() })}\n`);
}
