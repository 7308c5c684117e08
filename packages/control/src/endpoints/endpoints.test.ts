import { GantryError } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import { describe, expect, it } from 'vitest';
import { promoteRollout, rollBack, startRollout, updateEndpoint } from './change-endpoint.ts';
import { decideEndpoint } from './decide-endpoint.ts';
import type { EndpointSpecRecord, EndpointStatusRecord } from './endpoint-record.ts';
import { toRoute } from './to-route.ts';

const at = '2026-01-01T00:00:00.000Z';
const spec: EndpointSpecRecord = {
  revision: 1,
  lastRevision: 1,
  model: 'lm@1',
  modelVersionId: 'mv_1',
  replicas: 2,
  queue: 'default',
  queueId: 'que_1',
  user: 'ada',
  slots: 4,
  resources: { cpu: 1, memory: 1, gpu: 0 },
};
const next = { model: 'lm@2', modelVersionId: 'mv_2' };
const wish = { to: 'lm@2', percent: 10, mode: 'canary', automatic: true, minPairs: 200 } as const;
const row = (kind: string, id: string, state: string, rowSpec: unknown, status: unknown = {}): Row => ({
  kind,
  id,
  tenantId: 'tnt',
  name: 'chat',
  state,
  parentId: 'ept_1',
  spec: rowSpec,
  status,
  version: 1,
  createdAt: at,
  updatedAt: at,
});
const endpoint = (of: EndpointSpecRecord, status: EndpointStatusRecord = {}, state = 'ready'): Row =>
  row('endpoint', 'ept_1', state, of, status);
let serial = 0;
const replica = (revision: number, state: string): Row =>
  row('replica', `rpl_${++serial}`, state, { revision, model: `lm@${revision}` });
const weights = (of: EndpointSpecRecord, ready: readonly Row[]) =>
  toRoute(endpoint(of), ready, () => ({ port: 1 })).revisions.map(({ revisionId, weight }) => [
    revisionId,
    weight,
  ]);

describe('toRoute', () => {
  it('tells the gateway of a fallback, and of the name that a server of one’s own knows the model by', () => {
    const server = { command: ['serve'], healthPath: '/health', startSeconds: 60, modelName: 'mine' };
    const serving = row('replica', 'rpl_own', 'ready', { revision: 1, model: 'lm@1', server });
    const own = toRoute(endpoint({ ...spec, server, fallback: 'spare' }), [serving], () => ({
      port: 1,
      healthPath: '/health',
    }));
    expect(own).toMatchObject({ fallback: 'spare', revisions: [{ upstreamModel: 'mine' }] });
    const plain = toRoute(endpoint(spec), [replica(1, 'ready')], () => ({ port: 1 }));
    expect(plain).not.toHaveProperty('fallback');
    expect(plain.revisions).toMatchObject([{ upstreamModel: 'lm@1' }]);
  });
});

describe('decideEndpoint', () => {
  it('starts what is missing of every wanted revision and drains what is too much', () => {
    const rolling = startRollout(spec, wish, next, at).spec;
    const decision = decideEndpoint(endpoint(rolling), [
      replica(1, 'ready'),
      replica(1, 'ready'),
      replica(1, 'starting'),
    ]);
    expect(decision.create.map(({ revision, model }) => [revision, model])).toEqual([[2, 'lm@2']]);
    expect(decision.drain.map(({ state }) => state)).toEqual(['starting']);
    expect(decision.state).toBe('ready');
  });

  it('keeps the old revision until the new one is whole', () => {
    const rolled = updateEndpoint(spec, {}, next).spec;
    const old = [replica(1, 'ready'), replica(1, 'ready')];
    expect(decideEndpoint(endpoint(rolled, {}, 'deploying'), old)).toMatchObject({
      drain: [],
      state: 'deploying',
    });
    const whole = [...old, replica(2, 'ready'), replica(2, 'ready')];
    expect(decideEndpoint(endpoint(rolled), whole)).toMatchObject({ create: [], drain: old, state: 'ready' });
  });

  it('follows the autoscaler within the bounds, to zero and back', () => {
    const scaling = updateEndpoint(
      spec,
      {
        scaling: {
          min: 0,
          max: 3,
          target: { concurrency: 4 },
          policy: 'reactive',
          idleSeconds: 60,
          scaleDownSeconds: 60,
        },
      },
      undefined,
    ).spec;
    const scaled = (replicas: number) =>
      endpoint(scaling, { scale: { replicas, reason: 'demand', observed: 1, at } });
    expect(decideEndpoint(scaled(9), []).create).toHaveLength(3);
    expect(decideEndpoint(scaled(0), [replica(1, 'ready')])).toMatchObject({
      create: [],
      drain: [{ state: 'ready' }],
      state: 'idle',
    });
  });

  it('drains everything of an endpoint that was deleted or stopped', () => {
    expect(decideEndpoint(undefined, [replica(1, 'ready'), replica(2, 'queued')]).drain).toHaveLength(2);
    expect(decideEndpoint(endpoint({ ...spec, replicas: 0 }), [replica(1, 'ready')])).toMatchObject({
      drain: [{ state: 'ready' }],
      state: 'stopped',
    });
  });
});

describe('traffic', () => {
  it('moves to a new revision as it becomes able to carry it', () => {
    const rolled = updateEndpoint(spec, {}, next).spec;
    const old = [replica(1, 'ready'), replica(1, 'ready')];
    expect(weights(rolled, old)).toEqual([['chat-1', 100]]);
    expect(weights(rolled, [...old, replica(2, 'ready')])).toEqual([
      ['chat-1', 50],
      ['chat-2', 50],
    ]);
    expect(weights(rolled, [...old, replica(2, 'ready'), replica(2, 'ready')])).toEqual([
      ['chat-1', 0],
      ['chat-2', 100],
    ]);
  });

  it('gives a canary its percent once it is ready, and a shadow none', () => {
    const stable = [replica(1, 'ready'), replica(1, 'ready')];
    const rolling = startRollout(spec, wish, next, at).spec;
    expect(weights(rolling, stable)).toEqual([['chat-1', 100]]);
    expect(weights(rolling, [...stable, replica(2, 'ready')])).toEqual([
      ['chat-1', 90],
      ['chat-2', 10],
    ]);
    const header = { name: 'x-beta', value: 'yes' };
    const byHeader = startRollout(spec, { ...wish, header }, next, at).spec;
    expect(toRoute(endpoint(byHeader), stable, () => ({ port: 1 })).preference).toEqual({
      ...header,
      revisionId: 'chat-2',
    });
    const shadowing = startRollout(spec, { ...wish, mode: 'shadow' }, next, at).spec;
    const both = [...stable, replica(2, 'ready')];
    expect(weights(shadowing, both)).toEqual([
      ['chat-1', 100],
      ['chat-2', 0],
    ]);
    expect(toRoute(endpoint(shadowing), both, () => ({ port: 1 })).shadow).toEqual({
      revisionId: 'chat-2',
      percent: 10,
    });
  });
});

describe('rollout', () => {
  it('changes its share while it runs, and another version starts another one', () => {
    const rolling = startRollout(spec, wish, next, at).spec;
    const more = startRollout(rolling, { ...wish, percent: 50 }, next, at);
    expect(more.spec.rollout).toMatchObject({ revision: 2, percent: 50 });
    expect(more.event).toMatchObject({ type: 'endpoint.rollout_changed', reason: { from: 10, percent: 50 } });
    const other = startRollout(rolling, wish, { model: 'lm@3', modelVersionId: 'mv_3' }, at).spec;
    expect(other.rollout).toMatchObject({ revision: 3, model: 'lm@3' });
    expect(() => startRollout(spec, wish, spec, at)).toThrow(GantryError);
  });

  it('promoted, becomes what is served, and can be taken back with one call', () => {
    const promoted = promoteRollout('chat', startRollout(spec, wish, next, at).spec, { n: 1 });
    expect(promoted.spec).toMatchObject({ revision: 2, model: 'lm@2', previous: { model: 'lm@1' } });
    expect(promoted.spec.rollout).toBeUndefined();
    expect(promoted.event.reason).toMatchObject({ n: 1 });
    const back = rollBack('chat', promoted.spec, {}).spec;
    // A revision is never used twice: its replicas may be draining still.
    expect(back).toMatchObject({ revision: 3, model: 'lm@1', previous: { model: 'lm@2' } });
  });

  it('rolled back, leaves what was served untouched', () => {
    const back = rollBack('chat', startRollout(spec, wish, next, at).spec, {}).spec;
    expect(back).toMatchObject({ revision: 1, model: 'lm@1', lastRevision: 2 });
    expect(() => rollBack('chat', back, {})).toThrow(GantryError);
    expect(() => promoteRollout('chat', spec, {})).toThrow(GantryError);
  });

  it('ends automatic scaling with a fixed number, and lifts with null', () => {
    const limited = updateEndpoint(spec, { limits: { requestsPerMinute: 5 } }, undefined).spec;
    expect(limited.limits).toEqual({ requestsPerMinute: 5 });
    expect(updateEndpoint(limited, { limits: null, replicas: 3 }, undefined).spec).toEqual({
      ...spec,
      replicas: 3,
    });
  });
});
