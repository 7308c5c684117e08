/** What a new endpoint's row holds: what was asked for, with every name found and every default settled; and its version. */
import { type EndpointCreate, GantryError } from '@gantry/contract';
import { type Deps, type EndpointSpecRecord, serverNetwork, usableQueue } from '@gantry/control';
import type { Row, Tx } from '@gantry/ports';
import type { Principal } from '../http/index.ts';
import {
  adaptersOf,
  checkEngine,
  draftOf,
  engineWish,
  placedResources,
  resourcesOf,
  servedVersion,
  slotsOf,
} from './served-version.ts';

export async function newEndpointSpec(
  tx: Tx,
  principal: Principal,
  body: EndpointCreate,
  { runner, demandsOwnNetwork }: Pick<Deps, 'runner' | 'demandsOwnNetwork'>,
): Promise<{ readonly spec: EndpointSpecRecord; readonly version: Row }> {
  const { model, queue: queueName, scaling, limits, cacheSeconds, contextTokens, ...rest } = body;
  const queue = await usableQueue(tx, principal.tenantId, queueName);
  const version = await servedVersion(tx, principal.tenantId, model, engineWish(rest));
  checkEngine(version, rest);
  await checkImageSecret(tx, principal.tenantId, rest.server?.imageSecret);
  const rules = { canBeOwn: runner.facts.ownNetwork, demandsOwn: demandsOwnNetwork };
  const adapters = await adaptersOf(tx, principal.tenantId, rest.adapters);
  const speculation = await draftOf(tx, principal.tenantId, rest.speculation);
  const spec: EndpointSpecRecord = {
    model: version.model,
    modelVersionId: version.modelVersionId,
    revision: 1,
    lastRevision: 1,
    replicas: rest.replicas,
    queue: queue.name,
    queueId: queue.id,
    user: principal.userName,
    slots: slotsOf(version.engine, rest),
    resources: placedResources(version, { ...rest, resources: resourcesOf(rest) }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(scaling === undefined ? {} : { scaling }),
    ...(limits === undefined ? {} : { limits }),
    ...(cacheSeconds === undefined ? {} : { cacheSeconds }),
    ...(rest.nodeSelector === undefined ? {} : { nodeSelector: rest.nodeSelector }),
    ...(rest.tolerations === undefined ? {} : { tolerations: rest.tolerations }),
    ...(rest.latencyObjectiveMs === undefined ? {} : { latencyObjectiveMs: rest.latencyObjectiveMs }),
    ...(rest.fallback === undefined ? {} : { fallback: rest.fallback }),
    ...(rest.hedging === undefined ? {} : { hedging: rest.hedging }),
    ...(rest.payloads === undefined ? {} : { payloads: rest.payloads }),
    ...(rest.batching === undefined ? {} : { batching: rest.batching }),
    ...(rest.warmUp === undefined ? {} : { warmUp: rest.warmUp }),
    ...(speculation === undefined ? {} : { speculation }),
    ...(rest.decoder === undefined ? {} : { decoder: rest.decoder }),
    ...(adapters === undefined ? {} : { adapters }),
    ...(rest.server === undefined
      ? {}
      : { server: { ...rest.server, network: serverNetwork(rest.server, rules) } }),
    ...(rest.engine === undefined ? {} : { engine: rest.engine }),
  };
  return { spec, version: version.row };
}

async function checkImageSecret(tx: Tx, tenantId: string, name: string | undefined): Promise<void> {
  if (name === undefined || (await tx.byName('secret', tenantId, name)) !== undefined) return;
  throw new GantryError('validation_failed', `server.imageSecret: there is no secret "${name}"`, {
    hint: `echo USER:PASSWORD | gantry secret set ${name}`,
  });
}
