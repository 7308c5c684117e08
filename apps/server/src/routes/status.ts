import { gantryVersion } from '@gantry/kit';
import { usageNow } from '@gantry/control';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';

type StatusRoutes = Pick<Handlers, 'status.get' | 'usage.report'>;

export function statusRoutes(platform: Platform): StatusRoutes {
  const { deps } = platform;
  return {
    'status.get': async ({ principal }) => {
      const counts = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        tx.countByState('job', principal.tenantId),
      );
      return {
        version: gantryVersion,
        tenant: principal.tenantName,
        uptimeSeconds: Math.round((deps.clock.nowMs() - platform.startedAtMs) / 1000),
        database: platform.database,
        node: process.version,
        counts,
        isolation: { ...platform.isolation, notes: [...platform.isolation.notes] },
        ...(principal.role === 'operator' ? { dataDir: platform.dataDir, pid: process.pid } : {}),
      };
    },
    'usage.report': async ({ principal }, { query }) => ({
      items: await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        usageNow(deps, tx, {
          tenantId: principal.tenantId,
          by: query.by,
          ...(query.from === undefined ? {} : { from: query.from }),
          ...(query.to === undefined ? {} : { to: query.to }),
        }),
      ),
    }),
  };
}
