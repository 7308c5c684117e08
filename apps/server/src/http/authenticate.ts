/** Header → principal: whose key it is, and for which tenant an operator acts. */
import { createHash } from 'node:crypto';
import { GantryError } from '@gantry/contract';
import type { FastifyRequest } from 'fastify';
import type { AuthThrottle } from './auth-throttle.ts';
import type { HttpServerOptions, Principal } from './types.ts';

const hint = 'send "authorization: Bearer KEY"; on this machine: gantry key show';

export function createAuthenticate(
  options: Pick<HttpServerOptions, 'authenticate' | 'resolveTenant'>,
  throttle: AuthThrottle,
): (request: FastifyRequest) => Promise<Principal> {
  // Keys that were good pass while their address is throttled: one neighbour's mistake locks nobody out.
  const seen = new Set<string>();
  const remember = (mark: string): void => {
    seen.delete(mark);
    seen.add(mark);
    const oldest = seen.values().next();
    if (seen.size > 10_000 && oldest.done !== true) seen.delete(oldest.value);
  };
  return async (request) => {
    const secret = /^Bearer (\S{1,200})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (secret === undefined) throw new GantryError('unauthenticated', 'this needs an API key', { hint });
    const mark = createHash('sha256').update(secret).digest('base64');
    if (!seen.has(mark)) throttle.check(request.ip);
    const principal = await options.authenticate(secret);
    if (principal === undefined) {
      throttle.failed(request.ip);
      throw new GantryError('unauthenticated', 'this key is unknown', { hint });
    }
    remember(mark);
    const named = request.headers['gantry-tenant'];
    if (typeof named !== 'string' || named === principal.tenantName || named === principal.tenantId)
      return principal;
    const tenant = principal.role === 'operator' ? await options.resolveTenant(named) : undefined;
    // The same answer for a tenant that does not exist: names of tenants are nobody else's business.
    if (tenant === undefined) throw new GantryError('forbidden', 'you cannot act for this tenant');
    return { ...principal, tenantId: tenant.id, tenantName: tenant.name };
  };
}
