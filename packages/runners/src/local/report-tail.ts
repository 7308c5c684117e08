/** Follows a worker's report file from where it was last read; whole lines only, bad ones counted and skipped. */
import { closeSync, readSync } from 'node:fs';
import { type WorkerReport, workerReportSchema } from '@gantry/contract';
import { openOwnFile } from './own-file.ts';

const maxLineBytes = 1024 * 1024;

export interface TailedReport {
  readonly report: WorkerReport;
  readonly endOffsetBytes: number;
}

export interface ReportTail {
  /** Everything appended since the last call, each with the offset at which the next line begins. */
  read(): readonly TailedReport[];
  readonly badLines: number;
}

export function createReportTail(file: string, fromBytes = 0): ReportTail {
  let offset = fromBytes;
  let rest = Buffer.alloc(0);
  let badLines = 0;
  return {
    get badLines() {
      return badLines;
    },
    read: () => {
      const reports: TailedReport[] = [];
      let descriptor: number;
      try {
        descriptor = openOwnFile(file);
      } catch {
        return reports;
      }
      try {
        const buffer = Buffer.alloc(64 * 1024);
        for (;;) {
          const count = readSync(descriptor, buffer, 0, buffer.length, offset);
          if (count === 0) break;
          offset += count;
          rest = Buffer.concat([rest, buffer.subarray(0, count)]);
          for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
            const parsed = parseLine(rest.subarray(0, end).toString('utf8'));
            if (parsed === undefined) badLines += 1;
            else reports.push({ report: parsed, endOffsetBytes: offset - rest.length + end + 1 });
            rest = rest.subarray(end + 1);
          }
          if (rest.length > maxLineBytes) {
            badLines += 1;
            rest = Buffer.alloc(0);
          }
        }
      } finally {
        closeSync(descriptor);
      }
      return reports;
    },
  };
}

function parseLine(line: string): WorkerReport | undefined {
  try {
    const parsed = workerReportSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
