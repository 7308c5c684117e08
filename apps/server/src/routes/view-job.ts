import type { Job } from '@gantry/contract';
import { jobView } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Principal } from '../http/index.ts';
import type { Platform } from '../platform.ts';

/** A job's row with what is known beside it: fresher progress, why it waits, what went another way. */
export function viewJob({ jobs, scheduler }: Platform, principal: Principal, row: Row): Job {
  return jobView(row, principal.tenantName, {
    progress: jobs.progressOf(row.id),
    waiting: scheduler.waitingOf(row.id),
    size: scheduler.sizeOf(row.id),
    notes: jobs.notesOf(row.id),
  });
}
