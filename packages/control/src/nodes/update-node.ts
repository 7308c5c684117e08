/** Labels and taints that an operator gives a machine. */
import { isTolerated } from '@gantry/scheduling';
import type { NodeSpecRecord, TaintRecord } from './node-record.ts';

export interface NodeChange {
  /** null takes one off. */
  readonly labels: Readonly<Record<string, string | null>>;
  readonly taints?: readonly TaintRecord[] | undefined;
}

export function updatedNode(spec: NodeSpecRecord, change: NodeChange): NodeSpecRecord {
  const labels: Record<string, string> = { ...spec.given?.labels };
  for (const [key, value] of Object.entries(change.labels)) {
    if (value === null) delete labels[key];
    else labels[key] = value;
  }
  return { ...spec, given: { labels, taints: change.taints ?? spec.given?.taints ?? [] } };
}

/** The taint that moves running work away: of effect NoExecute and not tolerated. */
export const driving = (
  taints: readonly TaintRecord[],
  tolerations: readonly { readonly key: string; readonly value?: string | undefined }[],
): TaintRecord | undefined =>
  taints.find((taint) => taint.effect === 'NoExecute' && !isTolerated(taint, tolerations));
