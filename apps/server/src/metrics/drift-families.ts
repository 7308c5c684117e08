/**
 * Drift as a scraper reads it: every figure of a revision's last window beside the size from which it counts, and
 * whether the feature has drifted. An alert is `gantry_endpoint_drifting == 1`, or the event `endpoint.drifted`.
 */
import type { DriftView } from '@gantry/control';
import type { Labels, MetricFamily } from '@gantry/kit';
import { type FeatureDrift, nearestToDrift } from '../nearest-to-drift.ts';
import { counter, gauge } from './samples.ts';

type DriftFigure = FeatureDrift['decidedBy'];

const figureNames: Readonly<Record<DriftFigure, string>> = {
  psi: 'psi',
  ks: 'ks',
  chiSquare: 'chi_square',
  shareMoved: 'share_moved',
  embeddingShift: 'embedding_shift',
  embeddingDistance: 'embedding_distance',
};

type Revision = DriftView & { readonly labels: Labels };

export function driftFamilies(revisions: readonly Revision[]): readonly MetricFamily[] {
  const shown = revisions.map((revision) => ({ ...revision, features: nearestToDrift(revision.last) }));
  const each = <T>(samples: (feature: FeatureDrift, labels: Labels) => T[]): T[] =>
    shown.flatMap(({ labels, features }) =>
      features.flatMap((feature) => samples(feature, { ...labels, feature: feature.feature })),
    );
  return [
    gauge(
      'gantry_endpoint_drift',
      'How far the last window of requests is from the first, by feature and figure.',
      each(({ figures }, labels) =>
        Object.entries(figures).map(([figure, value]) => ({
          labels: { ...labels, figure: figureNames[figure as DriftFigure] },
          value,
        })),
      ),
    ),
    gauge(
      'gantry_endpoint_drift_p',
      'Chance of a difference as large between windows of the same origin (KS of numbers and points, chi-square of kinds).',
      each(({ pValue }, labels) => [{ labels, value: pValue }]),
    ),
    gauge(
      'gantry_endpoint_drift_threshold',
      'From where on the figure that decides counts, once its chance is below gantry_endpoint_drift_p_threshold.',
      each(({ decidedBy, threshold }, labels) => [
        { labels: { ...labels, figure: figureNames[decidedBy] }, value: threshold },
      ]),
    ),
    gauge(
      'gantry_endpoint_drifting',
      '1 while the feature is not what it was.',
      each(({ hasDrifted }, labels) => [{ labels, value: hasDrifted ? 1 : 0 }]),
    ),
    gauge(
      'gantry_endpoint_drift_p_threshold',
      'The allowed false alarms of a window, shared among its features.',
      revisions.flatMap(({ labels, last }) =>
        last === undefined ? [] : [{ labels, value: last.pThreshold }],
      ),
    ),
    gauge(
      'gantry_endpoint_drift_features_left_out',
      'Features beyond those shown, none of them nearer to drifting.',
      shown.map(({ labels, last, features }) => ({
        labels,
        value: (last?.features.length ?? 0) - features.length,
      })),
    ),
    counter(
      'gantry_endpoint_drift_windows_total',
      'Windows of requests that were compared.',
      revisions.map(({ labels, windows }) => ({ labels, value: windows })),
    ),
    counter(
      'gantry_endpoint_drift_partly_read_total',
      'Requests of which something was too large to be looked into.',
      revisions.map(({ labels, partlyRead }) => ({ labels, value: partlyRead })),
    ),
  ];
}
