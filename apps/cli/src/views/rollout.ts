/** A rollout in words. */
import type { Endpoint } from '@gantry/contract';
import { bar, table } from '../output.ts';

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
    `${bar(nearnessOf(each), 12)}  ${wordsOf(each)}`,
  ]);
  return [
    head,
    ...(compared === 0 ? [] : [`  ${equal} of ${compared} shadow answers were equal`]),
    ...(rows.length === 0
      ? []
      : ['', table(['metric', 'pairs', 'new − old', 'p worse', 'p not worse', 'so far'], rows)]),
  ].join('\n');
}

type Evidence = NonNullable<Endpoint['rollout']>['evidence'][number];

/** The share of false alarms that both verdicts bear (docs/serving.md). */
const alarmShare = 0.05;

const wordsOf = ({ worsePValue, withinMarginPValue }: Evidence): string => {
  if (worsePValue <= alarmShare) return `worse, ${sure(worsePValue)}`;
  return withinMarginPValue <= alarmShare ? `not worse, ${sure(withinMarginPValue)}` : 'no difference yet';
};

/** Rounded down: nothing is ever 100 % sure. */
const sure = (pValue: number): string =>
  `${Math.min(99.9, Math.floor(1_000 * (1 - pValue)) / 10).toFixed(1)} % sure`;

/** How far the evidence for either has come, 1 where a verdict may rest on it: it multiplies, so it is counted in logarithms. */
const nearnessOf = ({ worsePValue, withinMarginPValue }: Evidence): number =>
  Math.log(Math.max(Number.MIN_VALUE, Math.min(1, worsePValue, withinMarginPValue))) / Math.log(alarmShare);
