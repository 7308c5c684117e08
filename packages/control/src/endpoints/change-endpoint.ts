/**
 * What may be asked of an endpoint, as changes of its record with the event that tells of each. Pure: the caller
 * writes both in one transaction.
 */
import {
  GantryError,
  type Hedging,
  type PayloadPolicy,
  type RequestLimits,
  type RolloutCreate,
  type Scaling,
} from '@gantry/contract';
import type { EndpointSpecRecord, RevisionRecord } from './endpoint-record.ts';
import { lastRevision, revisionName } from './wanted-revisions.ts';

export interface EndpointChange {
  readonly spec: EndpointSpecRecord;
  readonly event: { readonly type: string; readonly reason: Readonly<Record<string, unknown>> };
}

export interface ServedVersion {
  readonly model: string;
  readonly modelVersionId: string;
}

type Lifted<T> = T | null | undefined;

export interface EndpointUpdate {
  readonly replicas?: number | undefined;
  readonly scaling?: Lifted<Scaling>;
  readonly limits?: Lifted<RequestLimits>;
  readonly cacheSeconds?: Lifted<number>;
  readonly latencyObjectiveMs?: Lifted<number>;
  readonly fallback?: Lifted<string>;
  readonly hedging?: Lifted<Hedging>;
  readonly payloads?: Lifted<PayloadPolicy>;
}

/** Settings, and at once another version where one is named (blue-green: traffic moves when it is ready). */
export function updateEndpoint(
  spec: EndpointSpecRecord,
  update: EndpointUpdate,
  version: ServedVersion | undefined,
): EndpointChange {
  if (version !== undefined || update.replicas !== undefined || update.scaling !== undefined)
    refuseIfRemote(spec);
  const isNew = version !== undefined && version.modelVersionId !== spec.modelVersionId;
  const { scaling, limits, cacheSeconds, latencyObjectiveMs, fallback, hedging, payloads, ...rest } = spec;
  const keepScaling = update.replicas === undefined ? scaling : undefined;
  const changed = {
    ...rest,
    replicas: update.replicas ?? spec.replicas,
    ...present('scaling', pick(keepScaling, update.scaling)),
    ...present('limits', pick(limits, update.limits)),
    ...present('cacheSeconds', pick(cacheSeconds, update.cacheSeconds)),
    ...present('latencyObjectiveMs', pick(latencyObjectiveMs, update.latencyObjectiveMs)),
    ...present('fallback', pick(fallback, update.fallback)),
    ...present('hedging', pick(hedging, update.hedging)),
    ...present('payloads', pick(payloads, update.payloads)),
  };
  const next = isNew ? replaceStable(changed, version) : changed;
  return {
    spec: next,
    event: {
      type: isNew
        ? 'endpoint.rolled'
        : update.replicas === undefined
          ? 'endpoint.updated'
          : 'endpoint.scaled',
      reason: { model: next.model, replicas: next.replicas },
    },
  };
}

/** Starts a rollout, or changes the share of the one that runs when it is of the same version and mode. */
export function startRollout(
  spec: EndpointSpecRecord,
  wish: RolloutCreate,
  version: ServedVersion,
  startedAt: string,
  /** An admin's word was needed. */
  isPastGate = false,
): EndpointChange {
  refuseIfRemote(spec);
  const { mode, percent, automatic, minPairs, header } = wish;
  const chosen = {
    percent,
    automatic,
    minPairs,
    ...(header === undefined ? {} : { header }),
    ...(isPastGate ? { isPastGate } : {}),
  };
  const running = spec.rollout;
  if (running?.modelVersionId === version.modelVersionId && running.mode === mode) {
    return {
      spec: { ...spec, rollout: { ...running, ...chosen } },
      event: {
        type: 'endpoint.rollout_changed',
        reason: { model: running.model, from: running.percent, percent },
      },
    };
  }
  if (version.modelVersionId === spec.modelVersionId)
    throw new GantryError('validation_failed', `${version.model} already takes the traffic`, {
      hint: 'name another version: gantry model list',
    });
  const revision = lastRevision(spec) + 1;
  return {
    spec: {
      ...spec,
      lastRevision: revision,
      rollout: { revision, ...version, mode, ...chosen, startedAt },
    },
    event: {
      type: 'endpoint.rollout_started',
      reason: { model: version.model, mode, percent, automatic, beside: spec.model },
    },
  };
}

/** The rollout's revision becomes the stable one; `why` are the numbers it rests on. */
export function promoteRollout(
  endpointName: string,
  spec: EndpointSpecRecord,
  why: Readonly<Record<string, unknown>>,
): EndpointChange {
  const { rollout, ...rest } = spec;
  if (rollout === undefined) throw noRollout(endpointName);
  return {
    spec: {
      ...rest,
      revision: rollout.revision,
      model: rollout.model,
      modelVersionId: rollout.modelVersionId,
      previous: revisionOf(spec),
    },
    event: {
      type: 'endpoint.promoted',
      reason: { revision: revisionName(endpointName, rollout.revision), model: rollout.model, ...why },
    },
  };
}

/** Ends a rollout; without one, the version before this one comes back as a new revision. */
export function rollBack(
  endpointName: string,
  spec: EndpointSpecRecord,
  why: Readonly<Record<string, unknown>>,
): EndpointChange {
  const { rollout, ...rest } = spec;
  if (rollout !== undefined)
    return {
      spec: rest,
      event: {
        type: 'endpoint.rolled_back',
        reason: { from: rollout.model, to: spec.model, ...why },
      },
    };
  if (spec.previous === undefined) throw noRollout(endpointName);
  const { model, modelVersionId } = spec.previous;
  return {
    spec: replaceStable(spec, { model, modelVersionId }),
    event: { type: 'endpoint.rolled_back', reason: { from: spec.model, to: model, ...why } },
  };
}

function replaceStable(spec: EndpointSpecRecord, version: ServedVersion): EndpointSpecRecord {
  const { rollout: _ended, ...rest } = spec;
  const revision = lastRevision(spec) + 1;
  return {
    ...rest,
    ...version,
    revision,
    lastRevision: revision,
    previous: revisionOf(spec),
  };
}

function refuseIfRemote({ remote }: EndpointSpecRecord): void {
  if (remote === undefined) return;
  throw new GantryError('validation_failed', 'its servers are somebody else’s: they serve what they serve', {
    hint: 'connect another endpoint, and name it as the fallback of this one or the other way round',
  });
}

const revisionOf = ({ revision, model, modelVersionId }: EndpointSpecRecord): RevisionRecord => ({
  revision,
  model,
  modelVersionId,
});

const noRollout = (endpointName: string): GantryError =>
  new GantryError(
    'invalid_transition',
    `endpoint "${endpointName}" has no rollout and no version before this one`,
    {
      hint: `start one: gantry endpoint rollout ${endpointName} --to MODEL@VERSION`,
    },
  );

const pick = <T>(before: T | undefined, wish: Lifted<T>): T | undefined =>
  wish === undefined ? before : (wish ?? undefined);

const present = <K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: T };
