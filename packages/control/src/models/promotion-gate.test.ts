import type { Evaluation, ModelGate } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { gateVerdict } from './promotion-gate.ts';

const near = {
  positions: 500,
  meanKl: 0.001,
  topAgreement: 0.99,
  sourcePerplexity: 3,
  candidatePerplexity: 3.01,
};
const evaluation = (given: Partial<Evaluation>): Evaluation => ({
  metrics: {},
  data: { digest: `sha256:${'0'.repeat(64)}`, bytes: 10 },
  at: '2026-01-01T00:00:00.000Z',
  by: 'ann',
  job: 'evaluate-1',
  ...given,
});
const trained = { lineage: { job: 'run' }, metrics: { accuracy: 0.9 } };
const quantised = { lineage: { tool: 'quantize Q4_0', derivedFrom: 'lm@1' }, metrics: {} };
const always: ModelGate = { required: 'always' };

describe('a version may take traffic', () => {
  it('when it was trained and nothing is asked of its model', () => {
    expect(gateVerdict(undefined, trained, {}).state).toBe('open');
  });

  it('when it was made from another and is near it', () => {
    const evaluations = [evaluation({ against: 'lm@1', comparison: near })];
    expect(gateVerdict(undefined, quantised, { evaluations })).toEqual({ state: 'passed', why: [] });
  });

  it('when every metric lies within its bounds, as evaluated or else as registered', () => {
    const gate = { ...always, metrics: { accuracy: { minimum: 0.85 } } };
    expect(gateVerdict(gate, trained, {}).state).toBe('passed');
    const evaluations = [evaluation({ metrics: { accuracy: 0.8 } })];
    expect(gateVerdict(gate, trained, { evaluations })).toEqual({
      state: 'failed',
      why: ['accuracy 0.8 is below 0.85'],
    });
  });

  it('when its model asks for nothing at all', () => {
    expect(gateVerdict({ required: 'never' }, quantised, {}).state).toBe('open');
  });
});

describe('a version is held back', () => {
  it('until it was compared with the version that it was made from, not with another', () => {
    const other = [evaluation({ against: 'lm@7', comparison: near })];
    expect(gateVerdict(undefined, quantised, {}).state).toBe('missing');
    expect(gateVerdict(undefined, quantised, { evaluations: other })).toEqual({
      state: 'missing',
      why: ['it was never compared with lm@1'],
    });
  });

  it('by what a client says that it measured, unless its model believes clients', () => {
    const evaluations = [evaluation({ against: 'lm@1', comparison: near })].map(
      ({ job: _job, ...reported }) => reported,
    );
    expect(gateVerdict(undefined, quantised, { evaluations }).state).toBe('missing');
    const gate: ModelGate = { required: 'derived', evidence: 'reported' };
    expect(gateVerdict(gate, quantised, { evaluations }).state).toBe('passed');
  });

  it('when its newest comparison is worse than an older one', () => {
    const far = { ...near, meanKl: 0.5, topAgreement: 0.5 };
    const evaluations = [
      evaluation({ against: 'lm@1', comparison: far }),
      evaluation({ against: 'lm@1', comparison: near }),
    ];
    const { state, why } = gateVerdict(undefined, quantised, { evaluations });
    expect([state, why.length]).toEqual(['failed', 2]);
  });

  it('when its source is a file that nobody registered, until it was compared with any version', () => {
    const orphan = { lineage: { tool: 'convert F16', sourceDigest: 'ab' }, metrics: {} };
    expect(gateVerdict(undefined, orphan, {}).state).toBe('missing');
    const evaluations = [evaluation({ against: 'lm@7', comparison: near })];
    expect(gateVerdict(undefined, orphan, { evaluations }).state).toBe('passed');
  });

  it('by the bounds of its model where they are stricter', () => {
    const evaluations = [evaluation({ against: 'lm@1', comparison: near })];
    const gate: ModelGate = { required: 'derived', maximumKl: 0.0001 };
    expect(gateVerdict(gate, quantised, { evaluations }).state).toBe('failed');
  });

  it('when every version must be evaluated and it never was', () => {
    expect(gateVerdict(always, { ...trained, metrics: {} }, {}).state).toBe('missing');
    expect(gateVerdict(always, trained, { evaluations: [evaluation({})] }).state).toBe('passed');
  });
});
