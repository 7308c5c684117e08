/**
 * What the workers of an attempt said that outlives it. A fault after which they went on is a note; the fault they
 * ended with explains the end. Pure.
 */
import type { Measured, RanImage, WorkerReport } from '@gantry/contract';
import type { JobStatusRecord } from './job-record.ts';
import { ranImage } from './ran-image.ts';

interface Fault {
  readonly message: string;
  readonly hint?: string;
}

export interface AttemptFacts {
  readonly artifact?: NonNullable<JobStatusRecord['artifact']>;
  readonly evaluation?: Measured;
  readonly fault?: Fault;
  /** The first that was told: by the runner, before a worker could say anything. */
  readonly image?: RanImage;
  readonly notes: readonly string[];
}

export const noFacts: AttemptFacts = { notes: [] };
const maxNotes = 20;

export function withReport(before: AttemptFacts, report: WorkerReport): AttemptFacts {
  if (report.type === 'fault') {
    const fault: Fault = {
      message: `${report.code}: ${report.message}`,
      ...(report.hint === undefined ? {} : { hint: report.hint }),
    };
    return { ...settled(before), fault };
  }
  const facts = settled(before);
  if (report.type === 'evaluation') {
    const { type: _type, at: _at, ...evaluation } = report;
    return { ...facts, evaluation };
  }
  if (report.type === 'facts') {
    const image = ranImage(report);
    return image === undefined || facts.image !== undefined ? facts : { ...facts, image };
  }
  if (report.type !== 'artifact') return facts;
  const metrics = Object.fromEntries(
    Object.entries(report.metrics).filter((pair): pair is [string, number] => typeof pair[1] === 'number'),
  );
  return {
    ...facts,
    artifact: { path: report.path, formats: report.formats, metrics, lineage: report.lineage },
  };
}

/** The open fault becomes a note: whoever reported it is still there. */
export function settled({ fault, ...facts }: AttemptFacts): AttemptFacts {
  if (fault === undefined || facts.notes.includes(fault.message)) return facts;
  return { ...facts, notes: [...facts.notes, fault.message].slice(-maxNotes) };
}
