/** Job lists of public clusters as replay jobs. */
import type { ReplayJob } from './live-job.ts';
import { readTable, TraceError } from './trace-table.ts';

/** Microsoft Philly, as flattened by the Pollux authors. */
export function parsePhilly(name: string, content: string): ReplayJob[] {
  const rows = readTable(name, content, ['timestamp', 'duration', 'num_gpus']).map((row) => {
    const at = Date.parse(`${row.text('timestamp').replace(' ', 'T')}Z`);
    if (Number.isNaN(at))
      throw new TraceError(
        `${name} line ${row.line}: timestamp is "${row.text('timestamp')}".`,
        'Write it as 2017-10-09 07:01:55.',
      );
    return {
      id: `philly-${row.line}`,
      arrivalSeconds: at / 1000,
      durationSeconds: row.amount('duration'),
      devices: row.amount('num_gpus'),
    };
  });
  const first = rows.reduce((earliest, row) => Math.min(earliest, row.arrivalSeconds), Infinity);
  return rows.map((row) => ({ ...row, arrivalSeconds: row.arrivalSeconds - first }));
}

/** Microsoft ITP, as published with ElasticFlow. */
export function parseItp(name: string, content: string): ReplayJob[] {
  return readTable(name, content, ['job_id', 'submission_time', 'duration', 'num_gpu']).map((row) => ({
    id: `${row.text('job_id')}-${row.line}`,
    arrivalSeconds: row.amount('submission_time'),
    durationSeconds: row.amount('duration'),
    devices: row.amount('num_gpu'),
  }));
}
