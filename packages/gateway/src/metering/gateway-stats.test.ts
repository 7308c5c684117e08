import { expect, it } from 'vitest';
import { GatewayStats } from './gateway-stats.ts';

it('holds answers against an endpoint’s objective: failures and slow ones miss it, wrong requests do not count', () => {
  const stats = new GatewayStats();
  const series = stats.seriesFor('t', 'chat', 'chat-1');
  const note = (status: number, requestMs: number, objectiveMs: number | undefined): void =>
    stats.note(
      series,
      {
        id: 'r',
        tenantId: 't',
        principalId: 'p',
        endpointId: 'e',
        revisionId: 'chat-1',
        replicaId: 'x',
        promptTokens: 1,
        completionTokens: 1,
        cachedTokens: 0,
        requestMs,
        ttftMs: undefined,
        status,
        isEstimated: false,
      },
      objectiveMs,
    );
  note(200, 90, 100);
  note(200, 100, 100);
  note(200, 101, 100);
  note(503, 5, 100);
  note(400, 5, 100);
  note(499, 5, 100);
  note(200, 5, undefined);
  expect([series.good, series.judged]).toEqual([2, 4]);
  const totals = stats.families().filter(({ name }) => name.includes('objective'));
  expect(totals.map(({ samples }) => (samples[0] as { value: number }).value)).toEqual([2, 4]);
});
