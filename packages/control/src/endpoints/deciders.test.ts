/** An automatic rollout ends as its numbers and its gate say: both must let a version through. */
import { createRandom } from '@gantry/kit';
import { expect, it } from 'vitest';
import type { Deps } from '../deps.ts';
import { createMemoryStore } from '../testing/memory-store.ts';
import type { EndpointChange } from './change-endpoint.ts';
import { Deciders } from './deciders.ts';
import type { EndpointSpecRecord } from './endpoint-record.ts';

const gated = {
  model: 'lm',
  number: 2,
  formats: ['gguf'],
  bytes: 1,
  files: [],
  metrics: {},
  lineage: { tool: 'quantize Q4_0', derivedFrom: 'lm@1' },
};
const near = {
  positions: 500,
  meanKl: 0.001,
  topAgreement: 0.99,
  sourcePerplexity: 3,
  candidatePerplexity: 3.01,
};
const evaluation = (comparison: typeof near) => ({
  against: 'lm@1',
  comparison,
  metrics: {},
  data: { digest: 'd', bytes: 1 },
  at: '2026-01-01T00:00:00.000Z',
  by: 'ann',
  job: 'evaluate-1',
});

/** A canary that answers like its stable version, with scores between these for half of its answers. */
async function rollOut(given: {
  readonly comparison: typeof near;
  readonly isPastGate?: boolean;
  readonly score?: number;
}): Promise<EndpointChange['event'] | undefined> {
  const store = createMemoryStore();
  const row = { tenantId: 'ten_1', state: 'active' };
  const spec = {
    revision: 1,
    model: 'lm@1',
    modelVersionId: 'mv_1',
    rollout: {
      revision: 2,
      model: 'lm@2',
      modelVersionId: 'mv_2',
      mode: 'canary',
      percent: 50,
      automatic: true,
      minPairs: 100,
      startedAt: '2026-01-01T00:00:00.000Z',
      ...(given.isPastGate === undefined ? {} : { isPastGate: given.isPastGate }),
    },
  } as unknown as EndpointSpecRecord;
  const endpoint = await store.tx({ platform: true }, async (tx) => {
    await tx.insert({
      ...row,
      kind: 'model',
      id: 'mdl_1',
      name: 'lm',
      spec: {},
      status: { aliases: {}, latest: 2 },
    });
    await tx.insert({
      ...row,
      kind: 'model-version',
      id: 'mv_2',
      name: 'lm@2',
      parentId: 'mdl_1',
      spec: gated,
      status: { user: 'ann', evaluations: [evaluation(given.comparison)] },
    });
    return tx.insert({ ...row, kind: 'endpoint', id: 'ept_1', name: 'chat', spec, status: {} });
  });
  const events: EndpointChange['event'][] = [];
  const under: Promise<unknown>[] = [];
  using deciders = new Deciders(
    { store } as unknown as Deps,
    { takeLoads: () => new Map(), readUse: () => new Map() },
    {
      change: async (_id, decide) => void events.push(decide(spec).event),
      scale: async () => undefined,
      background: (work) => void under.push(work),
    },
  );
  deciders.keep(endpoint, []);
  const random = createRandom(7);
  for (let at = 0; at < 20_000 && events.length === 0; at++) {
    for (const arm of ['chat-1', 'chat-2']) {
      const requestMs = 10 + random.next();
      deciders.observe({ id: `${arm} ${at}`, endpointId: 'ept_1', revisionId: arm, status: 200, requestMs });
      if (given.score !== undefined)
        deciders.feedback('ept_1', `${arm} ${at}`, arm === 'chat-1' ? 0.9 : given.score);
    }
    await Promise.all(under.splice(0));
  }
  return events[0];
}

it('promotes an equal that its gate lets through', async () => {
  expect(await rollOut({ comparison: near })).toMatchObject({
    type: 'endpoint.promoted',
    reason: { decidedBy: 'sequential test' },
  });
});

it('takes back what an evaluation found far from its source while it ran, however well it answers', async () => {
  const told = await rollOut({ comparison: { ...near, meanKl: 0.5 } });
  expect(told).toMatchObject({
    type: 'endpoint.rolled_back',
    reason: { because: 'gate', failures: ['mean KL 0.5 is above 0.02'], decidedBy: 'gate' },
  });
});

it('promotes what an admin let past its gate', async () => {
  const told = await rollOut({ comparison: { ...near, meanKl: 0.5 }, isPastGate: true });
  expect(told?.type).toBe('endpoint.promoted');
});

it('takes back what is fast and never fails but is judged worse', async () => {
  const told = await rollOut({ comparison: near, score: 0.4 });
  expect(told).toMatchObject({ type: 'endpoint.rolled_back', reason: { because: 'quality' } });
});
