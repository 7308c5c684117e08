import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { endpointRoutes } from './endpoints.ts';
import { eventRoutes } from './events.ts';
import { invitationRoutes } from './invitations.ts';
import { jobDataRoutes } from './job-data.ts';
import { jobSuspensionRoutes } from './job-suspension.ts';
import { jobRoutes } from './jobs.ts';
import { keyRoutes } from './keys.ts';
import { limitsRoutes } from './limits.ts';
import { modelRoutes } from './models.ts';
import { nodeRoutes } from './nodes.ts';
import { queueRoutes } from './queues.ts';
import { schedulingRoutes } from './scheduling.ts';
import { secretRoutes } from './secrets.ts';
import { statusRoutes } from './status.ts';
import { tenantRoutes } from './tenants.ts';
import { userRoutes } from './users.ts';
import { watchRoutes } from './watch.ts';

/** Every route of the contract has its handler here; a missing one does not compile. */
export function createHandlers(platform: Platform): Handlers {
  const seen = {
    ...queueRoutes(platform),
    ...nodeRoutes(platform),
    ...modelRoutes(platform),
    ...endpointRoutes(platform),
  };
  return {
    ...statusRoutes(platform),
    ...tenantRoutes(platform),
    ...userRoutes(platform),
    ...invitationRoutes(platform),
    ...keyRoutes(platform),
    ...seen,
    ...jobRoutes(platform),
    ...jobDataRoutes(platform),
    ...jobSuspensionRoutes(platform),
    ...secretRoutes(platform),
    ...limitsRoutes(platform),
    ...schedulingRoutes(platform),
    ...eventRoutes(platform),
    ...watchRoutes(platform, seen),
  };
}
