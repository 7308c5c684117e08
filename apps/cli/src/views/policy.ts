/** A scheduling policy in words. */
import { formatDuration } from '@gantry/kit';

export function describePolicy(policy: {
  readonly order?: string | undefined;
  readonly placement?: string | undefined;
  readonly preemption?: boolean | undefined;
  readonly reservation?: boolean | undefined;
  readonly fairShare?: { readonly halfLife: number; readonly entryPenalty?: number | undefined } | undefined;
  readonly ahead?: { readonly horizon: number; readonly most: number } | undefined;
  readonly defragmentation?: { readonly movesPerHour: number } | undefined;
  readonly rules?: readonly { readonly name: string; readonly when: string }[] | undefined;
  readonly topology?: { readonly levels: readonly string[] } | undefined;
  readonly pools?: Readonly<Record<string, { readonly nodes: Readonly<Record<string, string>> }>> | undefined;
  readonly version: number;
  readonly choices: { readonly order: readonly string[]; readonly placement: readonly string[] };
}): string {
  const pools = Object.entries(policy.pools ?? {}).map(
    ([name, { nodes }]) =>
      `${name} (${Object.entries(nodes)
        .map(([label, value]) => `${label}=${value}`)
        .join(', ')})`,
  );
  return [
    `  order         ${policy.order ?? 'default'}   of ${policy.choices.order.join(', ')}`,
    `  placement     ${policy.placement ?? 'shadow-price'}   of ${policy.choices.placement.join(', ')}`,
    `  preemption    ${policy.preemption === false ? 'off' : 'on'}`,
    `  reservation   ${policy.reservation === false ? 'off' : 'on'}`,
    `  ahead         ${policy.ahead === undefined ? 'nothing is kept for peaks' : `at most ${Math.round(policy.ahead.most * 100)} % kept for peaks of the next ${formatDuration(policy.ahead.horizon * 1000)}`}`,
    `  fair share    ${policy.fairShare === undefined ? 'of the present' : `of what was used lately, half of it counts after ${formatDuration(policy.fairShare.halfLife * 1000)}${policy.fairShare.entryPenalty === undefined ? '' : `, each start as ${formatDuration(policy.fairShare.entryPenalty * 1000)}`}`}`,
    `  moves         ${policy.defragmentation?.movesPerHour ?? 0} an hour`,
    `  topology      ${(policy.topology?.levels ?? ['block', 'rack']).join(' / ')} / host`,
    `  pools         ${pools.length === 0 ? 'none' : pools.join(', ')}`,
    ...(policy.rules ?? []).map(({ name, when }) => `  rule          ${name}: ${when}`),
    `  version       ${policy.version}`,
  ].join('\n');
}
