import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { endpointRoutes } from './endpoints.ts';
import { eventRoutes } from './events.ts';
import { invitationRoutes } from './invitations.ts';
import { jobRoutes } from './jobs.ts';
import { keyRoutes } from './keys.ts';
import { modelRoutes } from './models.ts';
import { nodeRoutes } from './nodes.ts';
import { queueRoutes } from './queues.ts';
import { statusRoutes } from './status.ts';
import { tenantRoutes } from './tenants.ts';
import { userRoutes } from './users.ts';

/** Every route of the contract has its handler here; a missing one does not compile. */
export function createHandlers(platform: Platform): Handlers {
  return {
    ...statusRoutes(platform),
    ...tenantRoutes(platform),
    ...userRoutes(platform),
    ...invitationRoutes(platform),
    ...keyRoutes(platform),
    ...queueRoutes(platform),
    ...nodeRoutes(platform),
    ...jobRoutes(platform),
    ...modelRoutes(platform),
    ...endpointRoutes(platform),
    ...eventRoutes(platform),
  };
}
