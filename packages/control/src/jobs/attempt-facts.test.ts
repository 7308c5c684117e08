import { workerReportSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { type AttemptFacts, noFacts, settled, withReport } from './attempt-facts.ts';

const told = (...reports: readonly Record<string, unknown>[]): AttemptFacts =>
  reports.reduce<AttemptFacts>(
    (before, report) => withReport(before, workerReportSchema.parse({ at: 't', ...report })),
    noFacts,
  );
const damaged = { type: 'fault', code: 'checkpoint_damaged', message: 'step 9 is damaged' };
const nan = { type: 'fault', code: 'nan_loss', message: 'at step 12', hint: 'lower the learning rate' };
const step = { type: 'progress', step: 10, loss: 1 };

describe('what an attempt leaves behind', () => {
  it('explains the end with the last fault, and keeps what was survived as notes', () => {
    expect(told(damaged, step, nan)).toEqual({
      fault: { message: 'nan_loss: at step 12', hint: 'lower the learning rate' },
      notes: ['checkpoint_damaged: step 9 is damaged'],
    });
  });

  it('does not blame a later end on a fault that was survived', () => {
    expect(told(damaged, step).fault).toBeUndefined();
  });

  it('keeps a last fault as a note when the work ended well', () => {
    expect(settled(told(damaged))).toEqual({ notes: ['checkpoint_damaged: step 9 is damaged'] });
  });

  it('tells a thing once, and not without end', () => {
    expect(settled(told(damaged, step, damaged)).notes).toHaveLength(1);
    const many = Array.from({ length: 99 }, (_, at) => ({ ...damaged, message: `step ${at}` }));
    expect(settled(told(...many)).notes).toHaveLength(20);
  });

  it('keeps the newest artifact with the metrics that are numbers', () => {
    const artifact = { type: 'artifact', kind: 'model', path: '/m', formats: ['gguf'] };
    expect(told({ ...artifact, metrics: { loss: 1, gone: null } }).artifact).toEqual({
      path: '/m',
      formats: ['gguf'],
      metrics: { loss: 1 },
      lineage: {},
    });
  });
});
