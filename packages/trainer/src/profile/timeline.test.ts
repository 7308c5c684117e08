import { expect, it } from 'vitest';
import { Timeline } from './timeline.ts';

const spin = async (ms: number): Promise<void> => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) await Promise.resolve();
};

it('books communication inside a computation once, and writes what a trace viewer reads', async () => {
  const timeline = new Timeline();
  timeline.record();
  await timeline.during('compute', 'gradients', async () => {
    await spin(4);
    await timeline.during('communicate', 'all-reduce', () => spin(20));
  });
  const { compute, communicate } = timeline.sumsMs;
  expect(communicate).toBeGreaterThanOrEqual(20);
  expect(compute).toBeGreaterThanOrEqual(4);
  const { traceEvents } = JSON.parse(timeline.toChromeTrace(3)) as {
    traceEvents: { ph: string; name: string; cat?: string; pid: number; ts?: number; dur?: number }[];
  };
  expect(traceEvents.map(({ ph, name, cat, pid }) => ({ ph, name, cat, pid }))).toEqual([
    { ph: 'M', name: 'process_name', cat: undefined, pid: 3 },
    { ph: 'X', name: 'all-reduce', cat: 'communicate', pid: 3 },
    { ph: 'X', name: 'gradients', cat: 'compute', pid: 3 },
  ]);
  const [, inner, outer] = traceEvents;
  expect(compute + communicate).toBeCloseTo((outer?.dur as number) / 1000, 0);
  expect(inner?.ts as number).toBeGreaterThanOrEqual(outer?.ts as number);
});
