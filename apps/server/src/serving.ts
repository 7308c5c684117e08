/** The serving path of one server, joined: gateway, limits, usage, and the endpoints that decide by what it saw. */
import { join } from 'node:path';
import {
  type AuthenticatedKey,
  type Deps,
  type EndpointRoute,
  type EndpointRuntime,
  type Hub,
  createEndpointRuntime,
  holderOfAttemptKey,
} from '@gantry/control';
import { type Gateway, type Origin, type Route, createGateway } from '@gantry/gateway';
import { GantryError } from '@gantry/contract';
import type { Logger } from 'pino';
import type { DeviceReading } from './local-node.ts';
import type { KeyLookups } from './key-lookups.ts';
import { type Meter, createMeter } from './meter.ts';
import { openMeterJournal } from './meter-journal.ts';
import { type PayloadLog, createPayloadLog } from './payload-log.ts';
import { createReplicaUse } from './replica-use.ts';
import { createResponseFiles } from './response-files.ts';
import { createServingLimitsBook, type ServingLimitsBook } from './serving-limits.ts';

export interface Serving extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly endpoints: EndpointRuntime;
  readonly limits: ServingLimitsBook;
  readonly payloads: PayloadLog;
}

const mayInfer = ({ scopes }: AuthenticatedKey): boolean => scopes.includes('infer');

export async function createServing(
  deps: Deps,
  hub: Hub,
  keys: KeyLookups,
  logger: Logger,
  dataDir: string,
  readDevice: (deviceId: string) => DeviceReading | undefined,
): Promise<Serving> {
  await using stack = new AsyncDisposableStack();
  const meter: Meter = stack.use(
    createMeter(deps, {
      journal: stack.use(openMeterJournal(join(dataDir, 'usage.journal'))),
      onWritten: (unwritten) => limits.reconcile(unwritten),
    }),
  );
  const limits: ServingLimitsBook = stack.use(createServingLimitsBook(deps, () => meter.flush()));
  await limits.load();
  const payloads = stack.use(
    createPayloadLog({ dir: join(dataDir, 'payloads'), logger, nowMs: () => deps.clock.nowMs() }),
  );
  const responses = stack.use(createResponseFiles(join(dataDir, 'responses'), logger));
  const gateway = stack.use(
    createGateway({
      authenticate: async (bearer) => {
        const rank = await holderOfAttemptKey(deps, bearer);
        if (rank !== undefined) return { tenantId: rank.tenantId, principalId: rank.userName };
        const key = await keys.authenticate(bearer).catch((error: unknown) => {
          if (error instanceof GantryError && error.status === 401) return undefined;
          throw error;
        });
        return key !== undefined && mayInfer(key)
          ? { tenantId: key.tenantId, principalId: key.userName, keyId: key.keyId }
          : undefined;
      },
      isKeyGood: async (keyId) => {
        // Those of the platform's own work end with the work.
        if (!keyId.startsWith('key_')) return true;
        const key = await keys.keyNow(keyId);
        return key !== undefined && mayInfer(key);
      },
      limits: limits.limits,
      responseKeeper: responses,
      knownResponses: await responses.load(),
      meter: (record) => {
        meter.add(record);
        endpoints.observe(record);
      },
      onSketch: (seen) => endpoints.observe(seen),
      onPayload: (record) => payloads.add(record),
      onShadow: ({ isEqual, ...record }) => endpoints.observe({ ...record, shadow: { isEqual } }),
      wake: (_tenantId, endpointId) => endpoints.wake(endpointId),
      onError: (error, requestId) => logger.error({ error: String(error), requestId }, 'the gateway failed'),
    }),
  );
  const endpoints = stack.use(
    createEndpointRuntime(deps, hub, {
      publish: (tenantId, routes) => gateway.setRoutes(tenantId, routes.map(toGatewayRoute)),
      isBusy: (replicaId) => gateway.isBusy(replicaId),
      takeLoads: () => gateway.takeLoads(),
      readUse: createReplicaUse(join(dataDir, 'workers'), readDevice),
      lookAtRemote: async (target, modelName, withCapacity) => {
        const { signature, isJsonOnly, ...sight } = await gateway.lookAtRemote(
          target,
          modelName,
          withCapacity,
        );
        const facts = {
          ...(signature === undefined ? {} : { signature }),
          ...(isJsonOnly === undefined ? {} : { isJsonOnly }),
        };
        return Object.keys(facts).length === 0 ? sight : { ...sight, facts };
      },
    }),
  );
  const owned = stack.move();
  return { gateway, endpoints, limits, payloads, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type PlacedOrigin = EndpointRoute['revisions'][number]['replicas'][number]['origin'];

function toGatewayOrigin(origin: PlacedOrigin): Origin {
  if ('socketPath' in origin) return { socketPath: origin.socketPath };
  if ('port' in origin) return { host: '127.0.0.1', port: origin.port };
  const { facts, ...target } = origin;
  return { ...target, ...facts };
}

function toGatewayRoute({ tenantId: _tenantId, revisions, ...route }: EndpointRoute): Route {
  return {
    ...route,
    revisions: revisions.map((revision) => ({
      ...revision,
      replicas: revision.replicas.map(({ replicaId, origin, ready }) => ({
        replicaId,
        ready,
        origin: toGatewayOrigin(origin),
      })),
    })),
  };
}
