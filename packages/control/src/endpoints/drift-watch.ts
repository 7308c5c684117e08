/**
 * Watches what each revision is asked and answers for drift; an event tells when it begins and when it is over. The
 * first requests of a revision are what later ones are compared with.
 */
import {
  type DriftFigure,
  DriftMonitor,
  type DriftProgress,
  type DriftSample,
  type WindowComparison,
} from '@gantry/serving';

/** What drift is seen by in one request: its lengths and outcome, its texts as points, its tensors as numbers. */
export interface SketchedRequest {
  readonly endpointId: string;
  readonly revisionId: string;
  readonly sample: DriftSample;
}

/** A feature that is not what it was: by which figure, how large that is, and from where on it counts. */
export interface DriftFinding {
  readonly feature: string;
  readonly pValue: number;
  readonly by: DriftFigure;
  readonly size: number;
  readonly threshold: number;
}

export interface DriftChange {
  readonly revisionId: string;
  /** Empty: it is as it was again. */
  readonly findings: readonly DriftFinding[];
}

/** All that is known of a revision, drifted or not. */
export interface DriftView extends DriftProgress {
  readonly revisionId: string;
  /** Of the newest whole window; absent until one was compared. */
  readonly last?: WindowComparison;
  /** Requests of which something was too large to be looked into. */
  readonly partlyRead: number;
}

interface Watched {
  readonly monitor: DriftMonitor;
  partlyRead: number;
}

/** A rollout has two; one before it may still finish its streams. */
const mostRevisions = 3;

export class DriftWatch {
  /** By endpoint and revision, the oldest revision first. */
  readonly #endpoints = new Map<string, Map<string, Watched>>();

  /** Undefined unless drift begins or ends with this request. */
  observe({ endpointId, revisionId, sample }: SketchedRequest): DriftChange | undefined {
    const watched = this.#watchedOf(endpointId, revisionId);
    if (sample.isPartlyRead === true) watched.partlyRead += 1;
    const wasDrifted = findingsOf(watched).length > 0;
    if (watched.monitor.observe(sample) === undefined) return undefined;
    const findings = findingsOf(watched);
    return findings.length > 0 === wasDrifted ? undefined : { revisionId, findings };
  }

  /** Revisions that drift now. */
  drifted(endpointId: string): readonly DriftChange[] {
    return [...(this.#endpoints.get(endpointId) ?? [])].flatMap(([revisionId, watched]) => {
      const findings = findingsOf(watched);
      return findings.length === 0 ? [] : [{ revisionId, findings }];
    });
  }

  /** Of every revision that is watched. */
  view(endpointId: string): readonly DriftView[] {
    return [...(this.#endpoints.get(endpointId) ?? [])].map(([revisionId, { monitor, partlyRead }]) => ({
      revisionId,
      ...monitor.progress,
      ...(monitor.last === undefined ? {} : { last: monitor.last }),
      partlyRead,
    }));
  }

  forget(endpointId: string): void {
    this.#endpoints.delete(endpointId);
  }

  #watchedOf(endpointId: string, revisionId: string): Watched {
    let revisions = this.#endpoints.get(endpointId);
    if (revisions === undefined) this.#endpoints.set(endpointId, (revisions = new Map()));
    let watched = revisions.get(revisionId);
    if (watched === undefined) {
      watched = { monitor: new DriftMonitor(), partlyRead: 0 };
      revisions.set(revisionId, watched);
      const [oldest] = revisions.keys();
      if (revisions.size > mostRevisions && oldest !== undefined) revisions.delete(oldest);
    }
    return watched;
  }
}

const findingsOf = ({ monitor }: Watched): readonly DriftFinding[] =>
  (monitor.last?.features ?? []).flatMap(({ feature, pValue, decidedBy, figures, threshold, hasDrifted }) =>
    hasDrifted ? [{ feature, pValue, by: decidedBy, size: figures[decidedBy] ?? 0, threshold }] : [],
  );
