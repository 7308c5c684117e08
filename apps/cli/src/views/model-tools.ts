/** What the tools on models found, in words. */
import type { ModelVersion } from '@gantry/contract';
import { countOf } from '@gantry/kit';
import type { LoadReport, Spread } from '../load/load-report.ts';
import type { Evaluation } from '../model-tools/evaluate-endpoint.ts';
import type { RecordedEvaluation } from '../model-tools/record-evaluation.ts';
import { table } from '../output.ts';

export function describeEvaluation({
  endpoint,
  against,
  tokens,
  perplexity,
  metrics,
  comparison,
  failures,
}: Evaluation): string {
  const { accuracy } = metrics;
  const said = [
    ...(accuracy === undefined ? [] : [`accuracy ${(accuracy * 100).toFixed(2)} %`]),
    ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toFixed(3)}`]),
  ];
  const head = `  ${endpoint}   ${said.join('   ')} over ${tokens} ${accuracy === undefined ? 'tokens' : 'rows'}`;
  if (comparison === undefined) return head;
  const { meanKl, topAgreement, sourcePerplexity } = comparison;
  return [
    head,
    `  against ${against}   perplexity ${sourcePerplexity.toFixed(3)}   same likeliest choice ${(topAgreement * 100).toFixed(1)} %   KL ${meanKl.toFixed(4)} nats`,
    ...(failures.length === 0
      ? [`  ✓ it may take the place of ${against}`]
      : failures.map((failure) => `  ✗ ${failure}`)),
  ].join('\n');
}

/** What a job measured of a version, and what its gate says to that. */
export function describeGate({
  version,
  gate,
  evaluations: [newest],
}: RecordedEvaluation & Pick<ModelVersion, 'evaluations'>): string {
  const { against, comparison, metrics = {} } = newest ?? {};
  const numbers = Object.entries(metrics).map(([name, value]) => `${name} ${value.toPrecision(5)}`);
  return [
    `  ${version}   ${numbers.join('   ')}`,
    ...(comparison === undefined
      ? []
      : [
          `  against ${against}   perplexity ${comparison.sourcePerplexity.toPrecision(5)}   same likeliest choice ${(comparison.topAgreement * 100).toFixed(1)} %   KL ${comparison.meanKl.toFixed(4)} nats`,
        ]),
    describeRecorded({ version, gate }),
  ].join('\n');
}

export function describeRecorded({ version, gate }: RecordedEvaluation): string {
  const said = {
    open: 'nothing is asked of it',
    passed: 'passed: it may take traffic',
    missing: 'not passed',
    failed: 'not passed',
  }[gate.state];
  return [`  kept with ${version}   gate ${said}`, ...gate.why.map((why) => `    ${why}`)].join('\n');
}

export function describeLoad(report: LoadReport): string {
  const { requests, unanswered, failures, seconds, goodShare, goodPerSecond, worstLagMs } = report;
  const failed = Object.entries(failures).map(([reason, count]) => `  ✗ ${count} × ${reason}`);
  const row = (name: string, spread: Spread | undefined): readonly string[] =>
    spread === undefined
      ? [name, '–', '–', '–', '–']
      : [name, ...[spread.mean, spread.p50, spread.p95, spread.p99].map((value) => value.toFixed(1))];
  return [
    `  ${countOf(requests, 'request')} in ${seconds.toFixed(1)} s   ${report.requestsPerSecond.toFixed(1)} answered/s   ${report.answerTokensPerSecond.toFixed(0)} tokens/s`,
    `  tokens in ${report.promptTokens} (${report.cachedTokens} cached)   out ${report.answerTokens}`,
    `  goodput ${goodPerSecond.toFixed(1)}/s   ${(goodShare * 100).toFixed(1)} % within the objectives`,
    ...failed,
    ...(unanswered > 0 ? [`  ! stopped early: ${countOf(unanswered, 'request')} left`] : []),
    ...(worstLagMs > 50
      ? [`  ! sent up to ${worstLagMs.toFixed(0)} ms late: this machine was the limit`]
      : []),
    '',
    table(
      ['milliseconds', 'mean', 'p50', 'p95', 'p99'],
      [row('first token', report.ttftMs), row('between', report.itlMs), row('request', report.requestMs)],
    ),
  ].join('\n');
}
