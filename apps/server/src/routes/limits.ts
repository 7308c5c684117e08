import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';

type LimitsRoutes = Pick<Handlers, Extract<keyof Handlers, `limits.${string}`>>;

export function limitsRoutes({ limits }: Platform): LimitsRoutes {
  return {
    'limits.get': async ({ principal }) => limits.get(principal.tenantId),
    'limits.set': async ({ principal, requestId }, { body }) => {
      await limits.set(principal.tenantId, body, principal.userName, requestId);
      return limits.get(principal.tenantId);
    },
  };
}
