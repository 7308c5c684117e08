/** Policies take effect with the next cycle: the row is written, the scheduler sees it like any other row. */
import { GantryError, type RouteInput } from '@gantry/contract';
import {
  ORDER_NAMES,
  PLACEMENT_NAMES,
  POLICY_ID,
  POLICY_NAME,
  type PolicyProblem,
  type PolicySpecRecord,
  type QueueSpecRecord,
  allRows,
  checkVersion,
  findOr404,
  policyProblems,
  queueChoices,
  readPastWork,
  readPolicy,
} from '@gantry/control';
import { countOf } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { slicePage } from './page.ts';

type SchedulingRoutes = Pick<
  Handlers,
  Extract<keyof Handlers, `scheduling.${string}` | `decisions.${string}`>
>;
type PolicyBody = RouteInput<'scheduling.set'>['body'];
type Decision = Platform['scheduler']['decisions'] extends { list(): readonly (infer T)[] } ? T : never;

export function schedulingRoutes({ deps, hub, scheduler }: Platform): SchedulingRoutes {
  const policyView = async (tx: Tx) => {
    const { fairShare, ahead, ...policy } = await readPolicy(tx);
    return {
      ...policy,
      ...(fairShare === undefined ? {} : { fairShare: fairShareView(fairShare) }),
      ...(ahead === undefined ? {} : { ahead: { horizon: ahead.horizonMs / 1000, most: ahead.most } }),
      version: (await tx.get('policy', POLICY_ID))?.version ?? 0,
      choices: { order: [...ORDER_NAMES], placement: [...PLACEMENT_NAMES] },
      calibration: scheduler.calibration,
    };
  };

  const queueView = async (tx: Tx, row: Row) => {
    const { policy, pool, minRuntimeMs, borrowing, lending, shape } = row.spec as QueueSpecRecord;
    const queues = (await allRows(tx, 'queue')).filter(({ tenantId }) => tenantId === row.tenantId);
    return {
      queue: row.name,
      ...(policy === undefined ? {} : { order: policy }),
      ...(pool === undefined ? {} : { pool }),
      ...(minRuntimeMs === undefined ? {} : { minRuntimeMs }),
      ...(borrowing?.devices === undefined ? {} : { borrow: borrowing.devices }),
      ...(lending?.devices === undefined ? {} : { lend: lending.devices }),
      ...(shape === undefined ? {} : { shape }),
      effective: queueChoices(queues, await readPolicy(tx)).get(row.id)!,
    };
  };

  return {
    'scheduling.get': () => deps.store.read({ platform: true }, policyView),
    'scheduling.set': async ({ principal, ifMatchVersion, requestId }, { body }) => {
      const spec = toPolicySpec(body);
      refuse(policyProblems(spec));
      const view = await deps.store.tx({ platform: true }, async (tx) => {
        refuse(await poolsInUse(tx, spec));
        const row = await tx.get('policy', POLICY_ID);
        if (row === undefined) {
          if (ifMatchVersion !== undefined && ifMatchVersion !== 0)
            throw new GantryError('version_conflict', 'there is no policy of that version');
          await tx.insert({
            kind: 'policy',
            id: POLICY_ID,
            tenantId: principal.tenantId,
            name: POLICY_NAME,
            state: 'active',
            spec,
            status: {},
          });
        } else {
          checkVersion(row, ifMatchVersion);
          await tx.update('policy', POLICY_ID, { expectedVersion: row.version, spec });
        }
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'policy',
          resourceId: POLICY_ID,
          type: 'policy.updated',
          actor: principal.userName,
          requestId,
          reason: { policy: spec },
        });
        return policyView(tx);
      });
      hub.changed('scheduler');
      return view;
    },
    'scheduling.trial': async (_context, { body: { policy, last } }) => {
      const tried = policy === undefined ? undefined : toPolicySpec(policy);
      if (tried !== undefined) refuse(policyProblems(tried));
      const nowMs = deps.clock.nowMs();
      return deps.store.read({ platform: true }, async (tx) => {
        if (tried !== undefined) refuse(await poolsInUse(tx, tried));
        const { world, jobs, queueNames } = await readPastWork(tx, {
          policy: tried ?? (await readPolicy(tx)),
          sinceMs: nowMs - last,
          live: scheduler.snapshot(),
        });
        return { nowMs, world: { ...world }, jobs: jobs.map((job) => ({ ...job })), queueNames };
      });
    },
    'scheduling.queue': ({ principal }, { params }) =>
      deps.store.read({ platform: true }, async (tx) =>
        queueView(tx, await findOr404(tx, 'queue', principal.tenantId, params.name)),
      ),
    'scheduling.setQueue': async ({ principal, ifMatchVersion, requestId }, { params, body }) => {
      const view = await deps.store.tx({ platform: true }, async (tx) => {
        const row = await findOr404(tx, 'queue', principal.tenantId, params.name);
        checkVersion(row, ifMatchVersion);
        const { pools = {} } = await readPolicy(tx);
        refuse([
          ...unknown('order', body.order, ORDER_NAMES),
          ...unknown('pool', body.pool, Object.keys(pools)),
          ...tooLarge(body.shape, row),
        ]);
        const { policy, pool, minRuntimeMs, borrowing, lending, shape, ...rest } =
          row.spec as QueueSpecRecord;
        const spec: QueueSpecRecord = {
          ...rest,
          ...chosen('policy', body.order, policy),
          ...chosen('pool', body.pool, pool),
          ...chosen('minRuntimeMs', body.minRuntime, minRuntimeMs),
          ...chosen('borrowing', devices(body.borrow), borrowing),
          ...chosen('lending', devices(body.lend), lending),
          ...chosen('shape', body.shape, shape),
        };
        const next = await tx.update('queue', row.id, { expectedVersion: row.version, spec });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'queue',
          resourceId: row.id,
          type: 'queue.policy_changed',
          actor: principal.userName,
          requestId,
          reason: { ...body },
        });
        return queueView(tx, next);
      });
      hub.changed('scheduler');
      return view;
    },
    'decisions.list': async (_context, { query }) => {
      const all = scheduler.decisions.list().map((each) => ({ id: String(each.number), ...summary(each) }));
      return slicePage(all, query);
    },
    'decisions.get': async (_context, { params }) => {
      const decision = scheduler.decisions.get(Number(params.name));
      if (decision === undefined)
        throw new GantryError('not_found', `there is no decision ${params.name} any more`, {
          hint: 'only the last cycles are kept: gantry policy decisions',
        });
      return {
        ...summary(decision),
        options: { ...decision.settings },
        snapshot: { ...decision.snapshot },
        plan: decision.plan === null ? null : { ...decision.plan },
      };
    },
  };
}

type FairShare = NonNullable<PolicySpecRecord['fairShare']>;

const fairShareView = ({ halfLifeMs, entryPenaltyMs }: FairShare) => ({
  halfLife: halfLifeMs / 1000,
  ...(entryPenaltyMs === undefined ? {} : { entryPenalty: entryPenaltyMs / 1000 }),
});

const toFairShare = ({ halfLife, entryPenalty }: NonNullable<PolicyBody['fairShare']>): FairShare => ({
  halfLifeMs: halfLife,
  ...(entryPenalty === undefined ? {} : { entryPenaltyMs: entryPenalty }),
});

function toPolicySpec({ fairShare, ahead, ...rest }: PolicyBody): PolicySpecRecord {
  return {
    ...rest,
    ...(fairShare === undefined ? {} : { fairShare: toFairShare(fairShare) }),
    ...(ahead === undefined ? {} : { ahead: { horizonMs: ahead.horizon, most: ahead.most } }),
  } as PolicySpecRecord;
}

function summary({ number, atMs, tookMs, plan, error }: Decision) {
  return {
    number,
    at: new Date(atMs).toISOString(),
    tookMs,
    placements: plan?.placements.length ?? 0,
    evictions: plan?.evictions.length ?? 0,
    waiting: plan?.waiting.length ?? 0,
    ...(error === undefined ? {} : { error }),
  };
}

/** `null` and nothing stay what they are. */
const devices = (count: number | null | undefined): QueueSpecRecord['limit'] | null | undefined =>
  typeof count === 'number' ? { devices: count } : count;

/** `null` takes the choice back, nothing leaves it. */
function chosen<Key extends string, Value>(
  key: Key,
  asked: Value | null | undefined,
  before: Value | undefined,
): Partial<Record<Key, Value>> {
  const value = asked === undefined ? before : (asked ?? undefined);
  return (value === undefined ? {} : { [key]: value }) as Partial<Record<Key, Value>>;
}

function tooLarge(shape: QueueSpecRecord['shape'] | null, row: Row): readonly PolicyProblem[] {
  const { deserved } = row.spec as QueueSpecRecord;
  if (shape === undefined || shape === null) return [];
  const promised = shape.nodes * shape.devices;
  if (promised <= (deserved.devices ?? 0)) return [];
  const message = `promises ${countOf(promised, 'device')}, and queue "${row.name}" deserves ${deserved.devices ?? 0}`;
  return [{ path: 'shape', message, hint: `first: gantry queue update ${row.name} --gpus ${promised}` }];
}

function unknown(
  path: string,
  value: string | null | undefined,
  names: readonly string[],
): readonly PolicyProblem[] {
  if (value === undefined || value === null || names.includes(value)) return [];
  const hint = names.length === 0 ? 'there are none yet: gantry policy set' : `one of: ${names.join(', ')}`;
  return [{ path, message: `there is no "${value}"`, hint }];
}

async function poolsInUse(tx: Tx, policy: PolicySpecRecord): Promise<readonly PolicyProblem[]> {
  const queues = await allRows(tx, 'queue');
  return queues.flatMap((row) => {
    const { pool } = row.spec as QueueSpecRecord;
    if (pool === undefined || policy.pools?.[pool] !== undefined) return [];
    const hint = `keep it, or first: gantry policy queue ${row.name} --pool none`;
    return [{ path: `pools.${pool}`, message: `queue "${row.name}" uses it`, hint }];
  });
}

function refuse(problems: readonly PolicyProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  throw new GantryError('validation_failed', `${first.path}: ${first.message}`, {
    problems,
    hint: first.hint,
  });
}
