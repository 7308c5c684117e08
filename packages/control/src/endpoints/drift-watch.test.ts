import { describe, expect, it } from 'vitest';
import { DriftWatch, type DriftChange } from './drift-watch.ts';

describe('drift of an endpoint', () => {
  it('is told once when it begins and once when it is over, by endpoint and revision', () => {
    const watch = new DriftWatch();
    const told: DriftChange[] = [];
    const ask = (count: number, promptTokens: number, endpointId = 'one'): void => {
      for (let index = 0; index < count; index++) {
        const change = watch.observe({
          endpointId,
          revisionId: 'chat-1',
          sample: {
            numbers: { promptTokens: promptTokens + (index % 17), completionTokens: 20 + (index % 5) },
            kinds: { outcome: 'answered' },
          },
        });
        if (change !== undefined) told.push(change);
      }
    };
    ask(1_000, 100);
    ask(1_000, 400, 'other');
    expect(told).toEqual([]);
    ask(1_500, 200);
    expect(told.map(({ findings }) => findings.map(({ feature }) => feature))).toEqual([['promptTokens']]);
    expect(watch.drifted('one')).toMatchObject([
      { revisionId: 'chat-1', findings: [{ feature: 'promptTokens' }] },
    ]);
    expect(watch.view('one')).toMatchObject([
      { windows: 4, filled: 0, partlyRead: 0, last: { features: expect.any(Array) as unknown[] } },
    ]);
    ask(500, 100);
    expect(watch.drifted('one')).toEqual([]);
    expect(told[1]).toEqual({ revisionId: 'chat-1', findings: [] });
  });
});
