import { describe, expect, it } from 'vitest';
import { describeLoad } from '../views/model-tools.ts';
import { loadPage } from './load-page.ts';
import { toLoadReport } from './load-report.ts';
import { parseTrace } from './parse-trace.ts';
import { promptOf, syntheticLoad } from './planned-request.ts';
import { runLoad } from './run-load.ts';
import type { TimedAnswer } from './timed-stream.ts';

const answered = (ttftMs: number, gapsMs: readonly number[]): TimedAnswer => ({
  failure: undefined,
  ttftMs,
  gapsMs,
  endMs: ttftMs + gapsMs.reduce((sum, gap) => sum + gap, 0),
  promptTokens: 4,
  cachedTokens: 1,
  answerTokens: gapsMs.length + 1,
});

describe('load', () => {
  it('reads both published traces, scaled, and says which line is broken', () => {
    const scale = { speed: 2, lengths: 0.5, limit: 10 };
    const mooncake = [
      '{"timestamp": 1000, "input_length": 100, "output_length": 10, "hash_ids": [1, 2]}',
      '{"timestamp": 4000, "input_length": 60, "output_length": 4, "hash_ids": [1, 3]}',
    ].join('\n');
    expect(parseTrace(mooncake, scale)).toEqual([
      { atMs: 0, promptTokens: 50, answerTokens: 5, blocks: [1, 2] },
      { atMs: 1_500, promptTokens: 30, answerTokens: 2, blocks: [1, 3] },
    ]);
    const azure = [
      'TIMESTAMP,ContextTokens,GeneratedTokens',
      '2023-11-16 18:15:46.6805900,374,44',
      '2023-11-16 18:15:50.9951690,396,109',
    ].join('\n');
    expect(parseTrace(azure, { ...scale, lengths: 1 })[1]).toMatchObject({ atMs: 2157.5, promptTokens: 396 });
    expect(() => parseTrace(`${azure}\nyesterday,1,2`, scale)).toThrow('line 4');
    expect(() => parseTrace(`${mooncake}\n{"timestamp": "soon"}`, scale)).toThrow('line 3');
  });

  it('gives equal blocks equal text, so that prefixes can be reused', () => {
    const one = promptOf({ atMs: 0, promptTokens: 40, answerTokens: 1, blocks: [7, 8] });
    const other = promptOf({ atMs: 0, promptTokens: 40, answerTokens: 1, blocks: [7, 9] });
    const shared = one.indexOf('#8');
    expect(other.slice(0, shared)).toBe(one.slice(0, shared));
    expect(other.slice(shared)).not.toBe(one.slice(shared));
    expect(one.split(' ')).toHaveLength(40);
  });

  it('sends with no more clients than asked for in a closed loop, and everything in an open one', async () => {
    const load = { requests: 40, promptTokens: 4, answerTokens: 2, seed: 1 };
    let [busy, most] = [0, 0];
    const send = async (): Promise<TimedAnswer> => {
      most = Math.max(most, ++busy);
      await new Promise((resolve) => setImmediate(resolve));
      busy--;
      return answered(1, [1]);
    };
    expect((await runLoad(syntheticLoad(load), send, { clients: 3 })).answers).toHaveLength(40);
    expect(most).toBe(3);
    const open = syntheticLoad({ ...load, rate: 10_000 });
    expect(open.every(({ atMs }, index) => atMs > (open[index - 1]?.atMs ?? -1))).toBe(true);
    expect((await runLoad(open, send)).answers).toHaveLength(40);
  });

  it.each([
    ['a closed loop', { clients: 2 }, undefined],
    ['an open one', {}, 1_000],
  ])('that is stopped, in %s, keeps what was answered and gives up the rest', async (_what, loop, rate) => {
    const load = syntheticLoad({ requests: 30, promptTokens: 4, answerTokens: 2, seed: 1, rate });
    const stop = new AbortController();
    let sent = 0;
    const run = await runLoad(
      load,
      async (_request, signal) => {
        if (++sent <= 5) return answered(1, [1]);
        if (sent === 6) setImmediate(() => stop.abort());
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      },
      { ...loop, signal: stop.signal },
    );
    expect(run).toMatchObject({ answers: { length: 5 }, unanswered: 25 });
    expect(sent).toBeLessThan(30);
  });

  it('ends at once where a request rejects: the others would meet the same', async () => {
    let sent = 0;
    const send = async (): Promise<TimedAnswer> => {
      sent += 1;
      throw new Error('no such endpoint');
    };
    const load = { requests: 40, promptTokens: 4, answerTokens: 2, seed: 1 };
    await expect(runLoad(syntheticLoad(load), send, { clients: 2 })).rejects.toThrow('no such endpoint');
    expect(sent).toBeLessThan(5);
    await expect(runLoad(syntheticLoad({ ...load, rate: 50 }), send)).rejects.toThrow('no such endpoint');
    expect(sent).toBeLessThan(10);
  });

  it('counts as good what met both objectives, and tells failures by their reason', () => {
    const failed = { ...answered(1, []), failure: 'HTTP 429' };
    const answers = [answered(50, [10, 10]), answered(500, [10]), answered(50, [90, 90]), failed].map(
      (answer, at) => ({ ...answer, sentMs: 500 * at }),
    );
    const run = { answers, unanswered: 7, seconds: 2, worstLagMs: 80 };
    const report = toLoadReport(run, { ttftMs: 100, itlMs: 20 });
    expect(report).toMatchObject({ requests: 4, goodShare: 0.25, goodPerSecond: 0.5, answerTokens: 8 });
    expect(report.failures).toEqual({ 'HTTP 429': 1 });
    const text = describeLoad(report);
    expect(text).toContain('1 × HTTP 429');
    expect(text).toContain('this machine was the limit');
    expect(text).toContain('stopped early: 7 requests left');
    const shown = loadPage('load on chat', run, report, { ttftMs: 100, itlMs: 20 });
    expect(shown.match(/<svg/g)).toHaveLength(3);
    expect(shown).toContain('25.0 % within 100 ms to the first token');
    expect(shown).not.toContain('NaN');
  });
});
