/**
 * Builds the parts and joins them: data directory → database → runner → rules → gateway → HTTP. Disposing
 * the result undoes it in the opposite order; workers are left running, the next server adopts them.
 */
import { join } from 'node:path';
import { createObjectCache } from '@gantry/blobs/s3';
import {
  type AuthenticatedKey,
  type Deps,
  bootstrapAccess,
  createHub,
  createJobRuntime,
  createPriceBook,
  createRetention,
  createStorageMeter,
  type SchedulerOptions,
  createScheduler,
  createVault,
  evictWork,
  leaveDevices,
  allRows,
  watchWrites,
} from '@gantry/control';
import { type HeldByKey, KeyWatch } from '@gantry/gateway';
import { type Clock, systemClock } from '@gantry/kit';
import {
  createLocalRunner,
  createWorkerMeter,
  findContainerTool,
  probeIsolation,
  toIsolationFacts,
} from '@gantry/runners';
import type { Runner } from '@gantry/ports';
import { openStore } from '@gantry/store';
import { followFeed, pumpWorkers } from './background.ts';
import { createS3Mirror } from './checkpoints/s3-mirror.ts';
import { claimDataDir, writeServerFile } from './data-dir.ts';
import { createHttpServer, readTls } from './http/index.ts';
import { createLocalInventory } from '@gantry/runners/inventory';
import { createJobFiles } from './job-data/create-job-files.ts';
import { createS3Access } from './job-data/s3-access.ts';
import { createS3Volumes } from './job-data/s3-volumes.ts';
import { loadVaultKey } from './job-data/vault-key.ts';
import { openBlobs } from './open-blobs.ts';
import { openGatewaySocket } from './open-gateway-socket.ts';
import { openGrpc } from './open-grpc.ts';
import { filesBelongTo } from './files-owner.ts';
import { createKeyLookups } from './key-lookups.ts';
import { createKeptFiles } from './kept-files.ts';
import { createNodeLive } from './node-live.ts';
import { createDeviceMemory } from './device-memory.ts';
import { createLocalNode } from './local-node.ts';
import { createMetrics } from './metrics.ts';
import { keepOperatorKey } from './operator-key.ts';
import type { ServerOptions } from './options.ts';
import { createPage } from './page/index.ts';
import { readPriceList } from './price-list.ts';
import { createPlaces, hiddenPlaces } from './places.ts';
import type { Platform } from './platform.ts';
import { createHandlers } from './routes/index.ts';
import { createServing } from './serving.ts';
import { watchSharing } from './sharing.ts';
import { createTenantNames } from './tenant-names.ts';
import { workerEntry } from './worker-entry.ts';
import type { Logger } from 'pino';

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly grpcPort: number | undefined;
  readonly platform: Platform;
}

/** Parts that a server may be given instead of its own; whoever gives one disposes of it. */
export interface GivenParts {
  readonly runner?: Runner;
  readonly clock?: Clock;
  /** Sees what the scheduler is about to plan; what it throws counts as thrown by the planner. */
  readonly beforePlan?: NonNullable<SchedulerOptions['beforePlan']>;
}

export async function serve(options: ServerOptions, logger: Logger, given: GivenParts = {}): Promise<Server> {
  const tls = options.tls === undefined ? undefined : await readTls(options.tls);
  await using stack = new AsyncDisposableStack();
  const dataDir = stack.use(await claimDataDir(options.dataDir));
  const opened = stack.use(
    await openStore(
      options.isMemory
        ? { kind: 'memory' }
        : options.databaseUrl === undefined
          ? { kind: 'embedded', dataDir: dataDir.path }
          : { kind: 'url', url: options.databaseUrl },
      logger,
    ),
  );
  const store = watchWrites(opened);
  const s3 = createS3Access(options.s3);
  const s3Cache = createObjectCache(join(dataDir.path, 's3-cache'), options.s3.cacheBytes);
  // What lies in it is known soon after the start; a folder that cannot be read fails whoever needs it.
  s3Cache
    .facts()
    .catch((error: unknown) => logger.warn({ error: String(error) }, 'the S3 cache was not read'));
  const { blobs, claim: claimBlobs } = stack.use(await openBlobs(dataDir.path, options.s3, s3Cache));
  const isolation = probeIsolation();
  const hidden = hiddenPlaces(dataDir.path);
  const runner =
    given.runner ??
    stack.use(
      createLocalRunner({
        workersDir: join(dataDir.path, 'workers'),
        nodePath: process.execPath,
        isolation,
        hidden,
        containers: await findContainerTool({
          searchPath: process.env['PATH'] ?? '',
          wanted: options.containers,
        }),
      }),
    );
  const log = {
    info: (fields: object, message: string) => logger.info(fields, message),
    warn: (fields: object, message: string) => logger.warn(fields, message),
    error: (fields: object, message: string) => logger.error(fields, message),
  };
  const deps: Deps = {
    store,
    runner,
    blobs,
    clock: given.clock ?? systemClock,
    log,
    places: createPlaces(dataDir.path, blobs),
    jobFiles: createJobFiles(dataDir.path, blobs, hidden.paths),
    s3Volumes: createS3Volumes(s3, s3Cache, join(dataDir.path, 's3-cache.json')),
    checkpointMirror: createS3Mirror(dataDir.path, options.s3, s3),
    prices: createPriceBook(await readPriceList(options.pricesFile)),
    vault: createVault(await loadVaultKey(dataDir.path)),
    demandsOwnNetwork: options.demandsOwnNetwork,
    workerCommand: (kind) => [process.execPath, workerEntry(), kind],
  };

  const access = await bootstrapAccess(deps);
  await claimBlobs(access.tenantId);
  await keepOperatorKey(deps, dataDir.path, access.operatorSecret);
  const localNode = createLocalNode(deps, access.tenantId, createLocalInventory({ dataDir: dataDir.path }));
  await localNode.look();

  const hub = createHub();
  const jobs = stack.use(createJobRuntime(deps, hub));
  const keys = createKeyLookups(store);
  const readDevice = (deviceId: string) => localNode.readings().get(deviceId);
  const serving = stack.use(await createServing(deps, hub, keys, logger, dataDir.path, readDevice));
  const { gateway, endpoints } = serving;
  const scheduler = stack.use(
    createScheduler(
      deps,
      hub,
      { jobs, ensureReplica: (id) => endpoints.ensureReplica(id) },
      {
        writes: store,
        ...(given.beforePlan === undefined ? {} : { beforePlan: given.beforePlan }),
        live: createNodeLive(localNode.name, dataDir.path, deps),
      },
    ),
  );

  const heldStreams = new Set<HeldByKey<AuthenticatedKey>>();
  const streamWatch = stack.use(new KeyWatch({ held: () => heldStreams, keyNow: keys.keyNow }));

  const tenants = createTenantNames(store);
  const platform: Platform = {
    deps,
    hub,
    jobs,
    endpoints,
    gateway,
    limits: serving.limits,
    payloads: serving.payloads,
    scheduler,
    startedAtMs: systemClock.nowMs(),
    dataDir: dataDir.path,
    database: store.facts.description,
    isolation: toIsolationFacts(isolation),
    localNode,
    deviceMemoryOf: createDeviceMemory(createWorkerMeter(join(dataDir.path, 'workers')), readDevice),
    s3Cache,
    tenantName: tenants.nameOf,
    feed: (signal, options) => store.feed(signal, options),
    forgetKeys: () => {
      gateway.forgetKeys();
      streamWatch.look();
    },
  };

  // Another server on the same database, or an operator with psql, wakes us through the feed.
  const stopping = new AbortController();
  stack.defer(() => stopping.abort());
  void followFeed(platform, stopping.signal, logger);
  void localNode.watch(options.deviceCheckSeconds, stopping.signal, (deviceIds) =>
    evictWork(deps, { jobs, endpoints }, leaveDevices(deviceIds)),
  );
  // What failed for want of a database is decided again.
  stack.use(
    store.onRecovered(() => {
      logger.info({}, 'the database is back');
      adoptAll(platform).catch((error: unknown) =>
        logger.error({ error: String(error) }, 'reconciling failed'),
      );
    }),
  );

  const metrics = createMetrics(platform, gateway);
  const http = stack.use(
    await createHttpServer({
      handlers: createHandlers(platform),
      ...keys,
      heldStreams,
      resolveTenant: tenants.find,
      idempotency: {
        run: (request, act, recover) => store.idempotent(request, act, recover),
      },
      raw: {
        '/v1/': (request, response) => gateway.handle(request, response),
        '/v2': (request, response) => gateway.handle(request, response),
      },
      health: {
        live: async () => true,
        ready: async () => {
          const health = store.health();
          return health.ok
            ? { ready: true, reasons: [] }
            : { ready: false, reasons: [health.reason ?? 'the database is away'] };
        },
      },
      metrics: () => metrics.platform(),
      jobMetrics: () => metrics.jobs(),
      isShared: await watchSharing(store),
      page: createPage,
      audit: (entry) => logger.info({ audit: entry }, 'write'),
      logger,
      bodyLimitBytes: options.bodyLimitBytes,
      ...(tls === undefined ? {} : { tls }),
    }),
  );
  stack.use(await openGatewaySocket(gateway, deps.places.gatewaySocket()));
  const { url } = await http.listen({ host: options.host, port: options.port });
  const grpc =
    options.grpcPort === undefined
      ? undefined
      : stack.use(await openGrpc({ gateway, host: options.host, port: options.grpcPort, tls }));
  await writeServerFile(dataDir.path, url);

  // What was alive when the last server ended is alive now: adopt it before anything new is placed.
  await adoptAll(platform);
  // Only now: what ended while no server was there is told once, and must find who waits for it.
  void pumpWorkers(platform, stopping.signal, logger);

  if (await filesBelongTo(dataDir.path, access.tenantId)) {
    const files = createKeptFiles(dataDir.path);
    stack.use(createRetention(deps, hub, { policy: options.keep, files, tenantId: access.tenantId }));
  } else {
    logger.warn(
      { dataDir: dataDir.path },
      'the files of this data directory belong to another database: nothing old is removed',
    );
  }

  stack.use(createStorageMeter(deps));

  const owned = stack.move();
  return { url, grpcPort: grpc?.port, platform, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Looks at everything that should be alive, starts or ends what is not as it should be, and plans again. */
async function adoptAll({ deps, jobs, endpoints, hub }: Platform): Promise<void> {
  for (const row of await deps.store.read({ platform: true }, (tx) =>
    allRows(tx, 'job', ['starting', 'running', 'stopping']),
  )) {
    await jobs.ensureStarted(row.id);
  }
  await endpoints.reconcileAll();
  hub.changed('scheduler');
}
