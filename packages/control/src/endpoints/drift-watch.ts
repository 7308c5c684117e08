/**
 * Watches what each revision is asked and answers for drift; an event tells when it begins and when it is over. The
 * first requests of a revision are what later ones are compared with.
 */
import { type DriftFinding, DriftMonitor, type DriftSample } from '@gantry/serving';

/** What drift is seen by in one request: its lengths and outcome, its texts as points, its tensors as numbers. */
export interface SketchedRequest {
  readonly endpointId: string;
  readonly revisionId: string;
  readonly sample: DriftSample;
}

export interface DriftChange {
  readonly revisionId: string;
  /** Empty: it is as it was again. */
  readonly findings: readonly DriftFinding[];
}

interface Watched {
  readonly monitor: DriftMonitor;
  /** Of the last window. */
  findings: readonly DriftFinding[];
}

/** A rollout has two; one before it may still finish its streams. */
const mostRevisions = 3;

export class DriftWatch {
  /** By endpoint and revision, the oldest revision first. */
  readonly #endpoints = new Map<string, Map<string, Watched>>();

  /** Undefined unless drift begins or ends with this request. */
  observe({ endpointId, revisionId, sample }: SketchedRequest): DriftChange | undefined {
    const watched = this.#watchedOf(endpointId, revisionId);
    const findings = watched.monitor.observe(sample);
    if (findings === undefined) return undefined;
    const wasDrifted = watched.findings.length > 0;
    watched.findings = findings;
    if (findings.length > 0 === wasDrifted) return undefined;
    return { revisionId, findings };
  }

  /** Revisions that drift now. */
  view(endpointId: string): readonly DriftChange[] {
    return [...(this.#endpoints.get(endpointId) ?? [])].flatMap(([revisionId, { findings }]) =>
      findings.length === 0 ? [] : [{ revisionId, findings }],
    );
  }

  forget(endpointId: string): void {
    this.#endpoints.delete(endpointId);
  }

  #watchedOf(endpointId: string, revisionId: string): Watched {
    let revisions = this.#endpoints.get(endpointId);
    if (revisions === undefined) this.#endpoints.set(endpointId, (revisions = new Map()));
    let watched = revisions.get(revisionId);
    if (watched === undefined) {
      watched = { monitor: new DriftMonitor(), findings: [] };
      revisions.set(revisionId, watched);
      const [oldest] = revisions.keys();
      if (revisions.size > mostRevisions && oldest !== undefined) revisions.delete(oldest);
    }
    return watched;
  }
}
