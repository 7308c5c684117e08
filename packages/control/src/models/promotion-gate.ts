/**
 * Whether a version may take traffic, from what its model asks and what was measured. Pure. A version made from
 * another must be near its source; one that was trained must score what the model's gate bounds, if anything.
 */
import type { Evaluation, GateVerdict, ModelGate } from '@gantry/contract';
import { accuracyFailures, defaultAccuracyGate } from '@gantry/conversion';
import type { ModelVersionRecord, ModelVersionStatusRecord } from './model-record.ts';

const defaultGate: ModelGate = { required: 'derived' };

/** The version that this one was made from; `unknown` where its file is none of ours. */
export function sourceOf({ lineage }: Pick<ModelVersionRecord, 'lineage'>): string | undefined {
  const source = lineage['derivedFrom'];
  return typeof source === 'string' ? source : lineage['tool'] === undefined ? undefined : 'unknown';
}

export function gateVerdict(
  gate: ModelGate = defaultGate,
  version: Pick<ModelVersionRecord, 'lineage' | 'metrics'>,
  status: Pick<ModelVersionStatusRecord, 'evaluations'>,
): GateVerdict {
  const source = sourceOf(version);
  const evaluations = (status.evaluations ?? []).filter(
    ({ job }) => job !== undefined || gate.evidence === 'reported',
  );
  if (gate.required === 'never' || (gate.required === 'derived' && source === undefined))
    return { state: 'open', why: [] };
  const verdicts = [
    ...(source === undefined ? [] : [nearness(gate, source, evaluations)]),
    ...Object.entries(gate.metrics ?? {}).map(([name, bound]) =>
      within(name, bound, evaluations.find(({ metrics }) => name in metrics)?.metrics ?? version.metrics),
    ),
  ];
  if (verdicts.length === 0 && evaluations.length === 0) verdicts.push(missing('it was never evaluated'));
  const why = verdicts.flatMap((verdict) => verdict.why);
  const states = verdicts.map(({ state }) => state);
  const state = states.includes('failed') ? 'failed' : states.includes('missing') ? 'missing' : 'passed';
  return { state, why };
}

/** By the newest comparison with its source; where nobody knows the source, with any version. */
function nearness(gate: ModelGate, source: string, evaluations: readonly Evaluation[]): GateVerdict {
  const newest = evaluations.find(
    ({ against }) => against !== undefined && (source === 'unknown' || against === source),
  );
  if (newest?.comparison === undefined)
    return missing(`it was never compared with ${source === 'unknown' ? 'what it was made from' : source}`);
  const why = accuracyFailures(newest.comparison, {
    maximumKl: gate.maximumKl ?? defaultAccuracyGate.maximumKl,
    minimumTopAgreement: gate.minimumTopAgreement ?? defaultAccuracyGate.minimumTopAgreement,
    maximumPerplexityRatio: gate.maximumPerplexityRatio ?? defaultAccuracyGate.maximumPerplexityRatio,
  });
  return { state: why.length === 0 ? 'passed' : 'failed', why: [...why] };
}

function within(
  name: string,
  { minimum = -Infinity, maximum = Infinity }: NonNullable<ModelGate['metrics']>[string],
  metrics: Readonly<Record<string, number>>,
): GateVerdict {
  const value = metrics[name];
  if (value === undefined) return missing(`${name} was never measured`);
  if (value >= minimum && value <= maximum) return { state: 'passed', why: [] };
  return {
    state: 'failed',
    why: [value < minimum ? `${name} ${value} is below ${minimum}` : `${name} ${value} is above ${maximum}`],
  };
}

const missing = (why: string): GateVerdict => ({ state: 'missing', why: [why] });
