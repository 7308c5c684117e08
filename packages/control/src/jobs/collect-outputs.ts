import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { workDirOf } from './job-inputs.ts';
import type { AttemptRecord, JobSpecRecord, JobStatusRecord } from './job-record.ts';

/**
 * The files a job asked to keep → blobs. A pattern that fits nothing, or a disk that is full, is told in a note: the
 * work itself is done. Repeating it is harmless, since equal bytes are one blob.
 */
export async function collectOutputs(
  deps: Deps,
  row: Row,
  attempt: AttemptRecord,
): Promise<Pick<JobStatusRecord, 'outputs' | 'notes'>> {
  const { job } = row.spec as JobSpecRecord;
  if (job.outputs.length === 0) return {};
  const outputs: { path: string; bytes: number; digest: string }[] = [];
  try {
    const found = await deps.jobFiles.collect(workDirOf(deps, row, attempt), job.outputs);
    for (const file of found.files) {
      const { digest, bytes } = await deps.blobs.put(file.open());
      outputs.push({ path: file.path, bytes, digest });
    }
    return { outputs, ...(found.notes.length === 0 ? {} : { notes: found.notes }) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { outputs, notes: [`outputs were kept only in part: ${why}`] };
  }
}
