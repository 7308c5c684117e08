/**
 * Promote, roll back, or wait — from paired outcomes of the stable and the canary revision.
 * Each metric is bounded to [0, 1], larger is worse. Two anytime-valid tests a metric: "canary is worse" and
 * "canary is not worse by the margin". The false-alarm rate α for rollback is split over the metrics
 * (Bonferroni); so is that for promotion, where every metric must pass, which needs no split.
 */
import { BettingTest } from './betting-test.ts';

/** Which revision answered. */
export type Arm = 'stable' | 'canary';

/** Of one request. */
export interface Outcome {
  readonly isError: boolean;
  /** Slower than the endpoint's latency objective; undefined while nobody can say what is slow. */
  readonly isSlow?: boolean | undefined;
  /** 0 good to 1 bad, where somebody judges quality. */
  readonly badness?: number;
}

const metrics = ['errors', 'latency', 'quality'] as const;
export type CanaryMetric = (typeof metrics)[number];

export interface CanaryPolicy {
  /** Chance that a canary no worse than stable is ever rolled back, over all metrics and looks. */
  readonly falseRollback: number;
  /** Chance that a canary worse than the margin on some metric is ever promoted. */
  readonly falsePromotion: number;
  /** How much worse still counts as not worse, a metric: absolute, e.g. 0.01 = one request in a hundred. */
  readonly margins: Readonly<Record<CanaryMetric, number>>;
  /** No verdict to promote before this many pairs. */
  readonly minPairs: number;
}

export const defaultCanaryPolicy: CanaryPolicy = {
  falseRollback: 0.05,
  falsePromotion: 0.05,
  margins: { errors: 0.01, latency: 0.05, quality: 0.02 },
  minPairs: 200,
};

/** What one metric says so far. The two p-values hold whenever they are looked at, however often (anytime-valid). */
export interface MetricEvidence {
  readonly metric: CanaryMetric;
  /** Outcomes of both arms that were compared. */
  readonly pairs: number;
  /** Mean of canary − stable. */
  readonly difference: number;
  /** Of "no worse": small when the canary is worse. */
  readonly worsePValue: number;
  /** Of "worse by the margin or more": small when the canary is good enough. */
  readonly withinMarginPValue: number;
}

/** The numbers go into the event that records the decision. */
export interface CanaryVerdict {
  readonly kind: 'wait' | 'rollback' | 'promote';
  readonly because: CanaryMetric | undefined;
  readonly evidence: readonly MetricEvidence[];
}

interface MetricState {
  readonly worse: BettingTest;
  readonly withinMargin: BettingTest;
  readonly margin: number;
  /** Not yet paired, oldest first; one of the two is always empty. */
  readonly stable: number[];
  readonly canary: number[];
}

/**
 * Unpaired outcomes of the arm with more traffic that are kept. Both of a pair must be of the same moment: under a
 * load that changes, an outcome of a calmer time would blame the other arm for the time. So the newest is paired
 * first, and few are kept.
 */
const keptUnpaired = 4;

export class CanaryJudge {
  readonly #policy: CanaryPolicy;
  readonly #states: ReadonlyMap<CanaryMetric, MetricState>;

  constructor(policy: CanaryPolicy = defaultCanaryPolicy) {
    this.#policy = policy;
    this.#states = new Map(
      metrics.map((metric) => {
        const margin = policy.margins[metric];
        return [
          metric,
          {
            worse: new BettingTest(0),
            withinMargin: new BettingTest(-margin),
            margin,
            stable: [],
            canary: [],
          },
        ];
      }),
    );
  }

  /** Paired with the newest unpaired outcome of the other arm, or kept for the next of it. */
  observe(arm: Arm, outcome: Outcome): void {
    this.#add('errors', arm, outcome.isError ? 1 : 0);
    // A failed request says nothing about speed or quality.
    if (outcome.isError) return;
    if (outcome.isSlow !== undefined) this.#add('latency', arm, outcome.isSlow ? 1 : 0);
    if (outcome.badness !== undefined) this.observeQuality(arm, outcome.badness);
  }

  /** Quality is often judged after the answer: 0 good to 1 bad. */
  observeQuality(arm: Arm, badness: number): void {
    this.#add('quality', arm, Math.min(1, Math.max(0, badness)));
  }

  /** May be asked after every outcome: looking often makes no false alarm likelier. */
  verdict(): CanaryVerdict {
    const judged = [...this.#states].filter(([, state]) => state.worse.count > 0);
    const evidence = judged.map(([metric, state]) => ({
      metric,
      pairs: state.worse.count,
      difference: state.worse.mean,
      worsePValue: state.worse.pValue,
      withinMarginPValue: state.withinMargin.pValue,
    }));
    const alarm = this.#policy.falseRollback / metrics.length;
    const worse = evidence.find(({ worsePValue }) => worsePValue <= alarm);
    if (worse !== undefined) return { kind: 'rollback', because: worse.metric, evidence };
    const isProven =
      evidence.length > 0 &&
      evidence.every(
        ({ pairs, withinMarginPValue }) =>
          pairs >= this.#policy.minPairs && withinMarginPValue <= this.#policy.falsePromotion,
      );
    return { kind: isProven ? 'promote' : 'wait', because: undefined, evidence };
  }

  #add(metric: CanaryMetric, arm: Arm, value: number): void {
    const state = this.#states.get(metric);
    if (state === undefined) return;
    const other = state[arm === 'stable' ? 'canary' : 'stable'].pop();
    if (other === undefined) {
      state[arm].push(value);
      if (state[arm].length > keptUnpaired) state[arm].shift();
      return;
    }
    const worse = arm === 'canary' ? value - other : other - value;
    state.worse.observe(worse);
    state.withinMargin.observe(-worse);
  }
}
