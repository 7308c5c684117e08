/** Jobs that rest and go on. */
import { GantryError } from '@gantry/contract';
import { findOr404, resumeJob, suspendJob } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Handlers, Principal } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { viewJob } from './view-job.ts';

export function jobSuspensionRoutes(platform: Platform): Pick<Handlers, 'jobs.suspend' | 'jobs.resume'> {
  const { deps, hub } = platform;
  const load = (principal: Principal, name: string): Promise<Row> =>
    deps.store.read({ tenantId: principal.tenantId }, (tx) => findOr404(tx, 'job', principal.tenantId, name));
  const told = async (principal: Principal, id: string) => {
    hub.changed(`job:${id}`);
    hub.changed('scheduler');
    return viewJob(platform, principal, await load(principal, id));
  };

  return {
    'jobs.suspend': async ({ principal, requestId }, { params }) => {
      const row = await load(principal, params.name);
      const reached = await suspendJob(deps, row.id, { by: principal.userName, requestId });
      if (reached === undefined)
        throw new GantryError('invalid_transition', `job "${row.name}" is ${row.state}; it cannot rest`, {
          hint: 'only a job that has not ended, and is not being cancelled, can be suspended',
        });
      if (reached === 'stopping') await platform.jobs.stop(row.id, 'suspended');
      return told(principal, row.id);
    },
    'jobs.resume': async ({ principal, requestId }, { params }) => {
      const row = await load(principal, params.name);
      const reached = await resumeJob(deps, row.id, { by: principal.userName, requestId });
      if (reached === undefined)
        throw new GantryError('invalid_transition', `job "${row.name}" is ${row.state}; it does not rest`, {
          hint: `see what it does: gantry job show ${row.name}`,
        });
      return told(principal, row.id);
    },
  };
}
