import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { accessRoutes } from './access.ts';
import { endpointRoutes } from './endpoints.ts';
import { eventRoutes } from './events.ts';
import { jobRoutes } from './jobs.ts';
import { modelRoutes } from './models.ts';
import { nodeRoutes } from './nodes.ts';
import { queueRoutes } from './queues.ts';
import { statusRoutes } from './status.ts';

/** Every route of the contract has its handler here; a missing one does not compile. */
export function createHandlers(platform: Platform): Handlers {
  return {
    ...statusRoutes(platform),
    ...accessRoutes(platform),
    ...queueRoutes(platform),
    ...nodeRoutes(platform),
    ...jobRoutes(platform),
    ...modelRoutes(platform),
    ...endpointRoutes(platform),
    ...eventRoutes(platform),
  };
}
