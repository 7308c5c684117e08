import type { Job } from '@gantry/contract';
import { jobView } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Principal } from '../http/index.ts';
import type { Platform } from '../platform.ts';

/** A job's row with what is known beside it: fresher progress, why it waits, what went another way. */
export function viewJob(platform: Platform, principal: Principal, row: Row): Job {
  const { jobs, scheduler } = platform;
  const deviceMemory = platform.deviceMemoryOf(row);
  const progress = jobs.progressOf(row.id);
  return jobView(row, principal.tenantName, {
    progress: deviceMemory === undefined ? progress : { ...progress, deviceMemory },
    waiting: scheduler.waitingOf(row.id),
    size: scheduler.sizeOf(row.id),
    notes: jobs.notesOf(row.id),
  });
}
