/** The features of a revision that are shown: who has more sees those nearest to drifting, and how many are left out. */
import type { DriftView } from '@gantry/control';

export type FeatureDrift = NonNullable<DriftView['last']>['features'][number];

const mostFeatures = 24;

export function nearestToDrift(last: DriftView['last']): readonly FeatureDrift[] {
  return (last?.features ?? [])
    .toSorted((one, other) => nearness(other) - nearness(one))
    .slice(0, mostFeatures);
}

/** How much of what would count it is; whatever has drifted before all that has not. */
const nearness = ({ hasDrifted, figures, decidedBy, threshold }: FeatureDrift): number =>
  (hasDrifted ? 1e9 : 0) + (figures[decidedBy] ?? 0) / threshold;
