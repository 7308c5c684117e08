/** A scheduling policy in words. */
export function describePolicy(policy: {
  readonly order?: string | undefined;
  readonly placement?: string | undefined;
  readonly preemption?: boolean | undefined;
  readonly reservation?: boolean | undefined;
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
    `  topology      ${(policy.topology?.levels ?? ['block', 'rack']).join(' / ')} / host`,
    `  pools         ${pools.length === 0 ? 'none' : pools.join(', ')}`,
    `  version       ${policy.version}`,
  ].join('\n');
}
