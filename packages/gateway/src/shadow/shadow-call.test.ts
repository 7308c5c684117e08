import { describe, expect, it } from 'vitest';
import type { ShadowRecord } from './shadow-call.ts';
import { completeWith, createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, replicaAt, until } from '../testing/gateway-harness.ts';

const asked = { model: 'chat', prompt: 'hi' };

describe('shadow', () => {
  it('copies requests to a revision that answers nobody, and compares what it would have said', async () => {
    await using live = await createFakeEngine(completeWith(['same']));
    await using copy = await createFakeEngine(completeWith(['same']));
    const seen: ShadowRecord[] = [];
    await using harness = await createGatewayHarness({ onShadow: (record) => seen.push(record) });
    harness.gateway.setRoutes('acme', [
      {
        ...chatRoute(live),
        revisions: [
          ...chatRoute(live).revisions,
          { revisionId: 'r2', modelVersion: 'v2', weight: 0, replicas: [replicaAt(copy)] },
        ],
        shadow: { revisionId: 'r2', percent: 100 },
      },
    ]);
    expect(await (await harness.post('/v1/completions', asked)).text()).toContain('same');
    await until(() => seen.length === 1);
    copy.answer = completeWith(['other']);
    await (await harness.post('/v1/completions', asked)).text();
    await until(() => seen.length === 2);
    copy.answer = (_, response) => {
      response.destroy();
    };
    await (await harness.post('/v1/completions', asked)).text();
    await until(() => seen.length === 3);
    expect(seen.map(({ status, isEqual }) => [status, isEqual])).toEqual([
      [200, true],
      [200, false],
      [502, undefined],
    ]);
    expect(harness.meter).toHaveLength(3);
    expect(harness.meter.every(({ revisionId, status }) => revisionId === 'r1' && status === 200)).toBe(true);
  });
});
