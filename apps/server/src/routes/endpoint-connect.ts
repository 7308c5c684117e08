/** An endpoint for servers of somebody else. */
import { GantryError } from '@gantry/contract';
import { type EndpointSpecRecord, resolveVersion, usableQueue } from '@gantry/control';
import { isPrivateHost } from '@gantry/gateway';
import { createId } from '@gantry/kit';
import type { Handlers, Principal } from '../http/index.ts';
import { isAllowed } from '../http/permission.ts';
import type { Platform } from '../platform.ts';
import { insertEndpoint } from './insert-endpoint.ts';
import { gateOfFallback, gateUnderName, joinNotes } from './others-traffic.ts';

export function endpointConnect(
  { deps, endpoints }: Platform,
  show: (principal: Principal, id: string) => ReturnType<Handlers['endpoints.get']>,
): Handlers['endpoints.connect'] {
  return async ({ principal, requestId }, { query, body }) => {
    const {
      name,
      engine,
      urls,
      modelName,
      serves,
      secret,
      managementPort,
      healthPath,
      queue: queueName,
      slots,
      limits,
      cacheSeconds,
      fallback,
      hedging,
      payloads,
    } = body;
    const isOperator = principal.role === 'operator';
    const inside = isOperator ? undefined : urls.find(isPrivateHost);
    if (inside !== undefined)
      throw new GantryError('forbidden', `${inside} is an address of this platform's own network`, {
        hint: 'only an operator connects servers in private networks',
      });
    // Names are judged at each connection of HTTP; gRPC's own resolver cannot be made to.
    if (!isOperator && urls.some((url) => url.startsWith('grpc')))
      throw new GantryError('forbidden', 'gRPC servers are connected by operators', {
        hint: 'give the address of its HTTP port',
      });
    // Evaluations through it count, and the gate believes them.
    if (serves !== undefined && !isAllowed('admin', principal.role, principal.scopes))
      throw new GantryError('forbidden', 'saying which version its servers hold needs the right to admin', {
        hint: 'leave `serves` out; the servers then count for no evaluation',
      });
    const id = createId('ept', deps.clock.nowMs());
    const model = `${engine}:${modelName}`;
    await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
      const queue = await usableQueue(tx, principal.tenantId, queueName);
      if (secret !== undefined && (await tx.byName('secret', principal.tenantId, secret)) === undefined)
        throw new GantryError('validation_failed', `there is no secret "${secret}"`, {
          hint: `gantry secret set ${secret}`,
        });
      const version = serves && (await resolveVersion(tx, principal.tenantId, serves));
      const held = version && version.name;
      const asked = { tx, principal, override: query.override };
      const note = joinNotes(
        version ? await gateUnderName(asked, name, version) : {},
        await gateOfFallback(asked, name, fallback),
      );
      const spec: EndpointSpecRecord = {
        model,
        modelVersionId: '',
        revision: 1,
        lastRevision: 1,
        replicas: 0,
        queue: queue.name,
        queueId: queue.id,
        user: principal.userName,
        slots,
        resources: { cpu: 0, memory: 0, gpu: 0 },
        remote: {
          engine,
          urls,
          modelName,
          mayBePrivate: isOperator,
          ...(held === undefined ? {} : { serves: held }),
          ...(secret === undefined ? {} : { secret }),
          ...(managementPort === undefined ? {} : { managementPort }),
          ...(healthPath === undefined ? {} : { healthPath }),
        },
        ...(limits === undefined ? {} : { limits }),
        ...(cacheSeconds === undefined ? {} : { cacheSeconds }),
        ...(fallback === undefined ? {} : { fallback }),
        ...(hedging === undefined ? {} : { hedging }),
        ...(payloads === undefined ? {} : { payloads }),
      };
      await insertEndpoint(
        tx,
        { principal, requestId },
        { id, name, spec },
        { model, urls, ...(held === undefined ? {} : { serves: held }), ...note },
      );
    });
    await endpoints.reconcile(id);
    return show(principal, id);
  };
}
