/** A rollout in words. */
import type { Endpoint } from '@gantry/contract';
import { table } from '../output.ts';

export function describeRollout({ name, model, rollout }: Endpoint): string {
  if (rollout === undefined) return `  ${name} serves ${model}; no rollout runs`;
  const { mode, percent, automatic, verdict, evidence, compared, equal } = rollout;
  const head = `  ${name}   ${mode} ${percent} %   ${model} → ${rollout.model}   verdict: ${verdict}${automatic && mode === 'canary' ? '' : ' (yours to decide)'}`;
  const rows = evidence.map((each) => [
    each.metric,
    String(each.pairs),
    each.difference.toFixed(3),
    each.worsePValue.toPrecision(2),
    each.withinMarginPValue.toPrecision(2),
  ]);
  return [
    head,
    ...(compared === 0 ? [] : [`  ${equal} of ${compared} shadow answers were equal`]),
    ...(rows.length === 0
      ? []
      : ['', table(['metric', 'pairs', 'new − old', 'p worse', 'p not worse'], rows)]),
  ].join('\n');
}
