/**
 * What the gateway saw of every endpoint, and what follows from it: rollouts end, replicas come and go, drift is
 * told. Deciding happens here; the changes themselves are the runtime's.
 */
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { Autoscaler, type ScalingChange } from './autoscaler.ts';
import { heldBackBy } from '../models/pass-gate.ts';
import { type EndpointChange, promoteRollout, rollBack } from './change-endpoint.ts';
import { type DriftChange, type DriftView, DriftWatch, type SketchedRequest } from './drift-watch.ts';
import type { EndpointSpecRecord, EndpointStatusRecord, ReplicaSpecRecord } from './endpoint-record.ts';
import { asksForUse, type ReadReplicaUse, usedReplicas, UseWatch } from './replica-use.ts';
import { RolloutJudge, type RolloutView, type SeenRequest } from './rollout-judge.ts';
import type { EndpointLoad } from './scaling-decider.ts';
import { scalingLeadSeconds } from './scaling-lead.ts';
import { tellDrift } from './tell-drift.ts';
import { desiredReplicas, revisionName } from './wanted-revisions.ts';

export interface DeciderActions {
  change(endpointId: string, decide: (spec: EndpointSpecRecord) => EndpointChange): Promise<void>;
  scale(endpointId: string, change: ScalingChange): Promise<void>;
  /** Work that nobody waits for; its failure is logged. */
  background(work: Promise<unknown>): void;
}

export interface DeciderWorld {
  /** What each endpoint did since the last call; called once a second while something scales. */
  takeLoads(): ReadonlyMap<string, EndpointLoad>;
  readonly readUse: ReadReplicaUse;
}

const scalingPeriodMs = 1_000;

export class Deciders implements Disposable {
  readonly #deps: Deps;
  readonly #world: DeciderWorld;
  readonly #uses: UseWatch;
  readonly #actions: DeciderActions;
  readonly #judge = new RolloutJudge();
  readonly #drift = new DriftWatch();
  readonly #autoscaler = new Autoscaler();
  /** Endpoints whose rollout is being ended. */
  readonly #ending = new Set<string>();
  #ticking: NodeJS.Timeout | undefined;

  constructor(deps: Deps, world: DeciderWorld, actions: DeciderActions) {
    this.#deps = deps;
    this.#world = world;
    this.#uses = new UseWatch(world.readUse);
    this.#actions = actions;
  }

  /** The endpoint as it is now, with the replicas that serve. */
  keep(endpoint: Row, serving: readonly Row[]): void {
    const spec = endpoint.spec as EndpointSpecRecord;
    const { rollout, scaling } = spec;
    this.#judge.watch(
      endpoint.id,
      rollout && {
        endpointId: endpoint.id,
        stableRevisionId: revisionName(endpoint.name, spec.revision),
        rolloutRevisionId: revisionName(endpoint.name, rollout.revision),
        minPairs: rollout.minPairs,
        latencyObjectiveMs: spec.latencyObjectiveMs,
      },
    );
    const isUseAsked = scaling !== undefined && asksForUse(scaling.target);
    this.#uses.keep(endpoint.id, isUseAsked ? usedReplicas(serving) : []);
    if (scaling === undefined) this.#autoscaler.forget(endpoint.id);
    else
      this.#autoscaler.keep({
        endpointId: endpoint.id,
        scaling,
        desired: desiredReplicas(spec, endpoint.status as EndpointStatusRecord),
        ready: serving.filter((row) => (row.spec as ReplicaSpecRecord).revision === spec.revision).length,
        leadSeconds: scalingLeadSeconds(serving),
      });
    this.#keepTicking();
  }

  forget(endpointId: string): void {
    this.#judge.watch(endpointId, undefined);
    this.#drift.forget(endpointId);
    this.#uses.keep(endpointId, []);
    this.#autoscaler.forget(endpointId);
  }

  observe(request: SeenRequest): void {
    if ('sample' in request) this.#lookForDrift(request);
    else if (this.#judge.observe(request)) this.#actions.background(this.#decideRollout(request.endpointId));
  }

  driftView(endpointId: string): readonly DriftChange[] {
    return this.#drift.drifted(endpointId);
  }

  driftFigures(endpointId: string): readonly DriftView[] {
    return this.#drift.view(endpointId);
  }

  #lookForDrift(request: SketchedRequest): void {
    const change = this.#drift.observe(request);
    if (change !== undefined) this.#actions.background(tellDrift(this.#deps, request.endpointId, change));
  }

  feedback(endpointId: string, requestId: string, score: number): boolean {
    const isKnown = this.#judge.feedback(endpointId, requestId, score);
    if (isKnown) this.#actions.background(this.#decideRollout(endpointId));
    return isKnown;
  }

  rolloutView(endpointId: string): RolloutView | undefined {
    return this.#judge.view(endpointId);
  }

  /** A request waits for a replica. */
  wake(endpointId: string): void {
    const change = this.#autoscaler.wake(endpointId);
    if (change !== undefined) this.#scale(endpointId, change);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ticking);
  }

  #keepTicking(): void {
    if (this.#autoscaler.isEmpty) {
      clearInterval(this.#ticking);
      this.#ticking = undefined;
      return;
    }
    this.#ticking ??= setInterval(() => {
      const uses = this.#uses.look(performance.now());
      this.#autoscaler.tick(this.#world.takeLoads(), uses, (id, change) => this.#scale(id, change));
    }, scalingPeriodMs).unref();
  }

  #scale(endpointId: string, change: ScalingChange): void {
    const work = this.#actions.scale(endpointId, change).finally(() => this.#autoscaler.release(endpointId));
    this.#actions.background(work);
  }

  /** Promotes or rolls back once the numbers suffice; what its gate holds back by now is not promoted. */
  async #decideRollout(endpointId: string): Promise<void> {
    const view = this.#judge.view(endpointId);
    if (view === undefined || view.verdict.kind === 'wait' || this.#ending.has(endpointId)) return;
    this.#ending.add(endpointId);
    try {
      const row = await this.#deps.store.read({ platform: true }, (tx) => tx.get('endpoint', endpointId));
      const rollout = (row?.spec as EndpointSpecRecord | undefined)?.rollout;
      if (row === undefined || rollout?.automatic !== true || rollout.mode !== 'canary') return;
      const { kind, because, evidence } = view.verdict;
      const failures =
        kind === 'promote' && rollout.isPastGate !== true
          ? await this.#deps.store.read({ platform: true }, (tx) => heldBackBy(tx, rollout.modelVersionId))
          : [];
      const isPromoted = kind === 'promote' && failures.length === 0;
      const why =
        failures.length === 0
          ? { ...(because === undefined ? {} : { because }), evidence, decidedBy: 'sequential test' }
          : { because: 'gate', failures, evidence, decidedBy: 'gate' };
      const end = isPromoted ? promoteRollout : rollBack;
      await this.#actions.change(endpointId, (spec) => end(row.name, spec, why));
    } finally {
      this.#ending.delete(endpointId);
    }
  }
}
