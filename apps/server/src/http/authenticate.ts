/** Header → principal: whose key it is, and for which tenant an operator acts. */
import { GantryError } from '@gantry/contract';
import type { FastifyRequest } from 'fastify';
import type { AuthThrottle } from './auth-throttle.ts';
import type { HttpServerOptions, Principal } from './types.ts';

const hint = 'send "authorization: Bearer KEY"; on this machine: gantry key show';

export function createAuthenticate(
  options: Pick<HttpServerOptions, 'authenticate' | 'resolveTenant'>,
  throttle: AuthThrottle,
): (request: FastifyRequest) => Promise<Principal> {
  return async (request) => {
    const secret = /^Bearer (\S{1,200})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (secret === undefined) throw new GantryError('unauthenticated', 'this needs an API key', { hint });
    throttle.check(request.ip);
    const principal = await options.authenticate(secret);
    if (principal === undefined) {
      throttle.failed(request.ip);
      throw new GantryError('unauthenticated', 'this key is unknown or revoked', { hint });
    }
    const named = request.headers['gantry-tenant'];
    if (typeof named !== 'string' || named === principal.tenantName || named === principal.tenantId)
      return principal;
    const tenant = principal.role === 'operator' ? await options.resolveTenant(named) : undefined;
    // The same answer for a tenant that does not exist: names of tenants are nobody else's business.
    if (tenant === undefined) throw new GantryError('forbidden', 'you cannot act for this tenant');
    return { ...principal, tenantId: tenant.id, tenantName: tenant.name };
  };
}
